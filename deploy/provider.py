"""The provider by which people may sign in at the page, as a configuration has it."""

from __future__ import annotations

import contextlib
import time
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec

from connectors.oidc.config import OidcConfig
from connectors.oidc.provider import Provider
from dashboards.api.provider_sign_in import return_url
from deploy.access import AccessSettings
from deploy.clock import wall_clock_us
from deploy.refusal import Refusal


@contextlib.asynccontextmanager
async def provider_of(settings: AccessSettings, public_url: str) -> AsyncIterator[Provider | None]:
    """Give the provider by which people may sign in, if one is configured.

    Raises
    ------
    Refusal
        It cannot send people back to here, or the secret cannot be read.
    """
    if settings.oidc is None:
        yield None
        return
    config = settings.oidc
    if not public_url.startswith(("https://", "http://")):
        raise Refusal("[server.oidc] needs public_url of [server]: the provider sends people back there")
    provider = Provider(_with_secret(config), return_url(public_url), wall_clock_us, time.monotonic)
    try:
        yield provider
    finally:
        await provider.close()


def _with_secret(config: OidcConfig) -> OidcConfig:
    if not config.client_secret_file:
        return config
    try:
        secret = Path(config.client_secret_file).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise Refusal(f"client_secret_file of [server.oidc] cannot be read: {error}") from error
    return msgspec.structs.replace(config, client_secret=secret, client_secret_file="")
