"""Who may do what at the API, as a configuration and the changes over it have it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Annotated, Literal

import msgspec
import structlog

from connectors.caster.proxy_header import networks
from connectors.oidc.config import OidcConfig
from dashboards.access.access import Access, Rules
from dashboards.access.book import Book
from deploy.clock import wall_clock_us
from deploy.refusal import Refusal
from streams.kafka.access import Access as KafkaAccess
from streams.kafka.reader import Reader
from streams.kafka.registry import RegistryFollower
from streams.loopback import is_loopback
from streams.topics import REGISTRY

log = structlog.get_logger()

KEY_FILE = "session.key"
LEAST_KEY = 32
Hours = Annotated[float, msgspec.Meta(gt=0, le=24 * 366)]
Rate = Annotated[float, msgspec.Meta(ge=0)]


class AccessSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Of `[server]`: who is let in (docs/access.md)."""

    write_token: str = ""
    """An administrator's; needed when `http` is not a loopback address and nobody has a role."""
    public: bool = True
    """Whether everybody may read what is not sensitive; false: only who is known."""
    metrics: Literal["open", "local", "token"] = "open"
    """Who may read `/metrics`: everybody, this machine, or who has the permission."""
    session_key: str = ""
    """Signs the cookies of people who signed in, at least 32 characters, the same at all processes that serve
    one page; empty: one is drawn and kept in the data folder."""
    session_idle_hours: Hours = 12.0
    """That a session lasts without any request."""
    session_hours: Hours = 7 * 24.0
    """That a session lasts at all."""
    reads_s: Rate = 50.0
    """Requests a second of one address, and of one account, ten seconds of it at once; 0: any number."""
    writes_s: Rate = 20.0
    proxies: list[str] = msgspec.field(default_factory=list)
    """Addresses or networks of proxies in front, which tell in X-Forwarded-For who asks."""
    oidc: OidcConfig | None = None
    """`[server.oidc]`: a provider by which people may sign in, too."""

    def __post_init__(self) -> None:
        networks(self.proxies)

    def key(self, folder: Path) -> bytes:
        """Return what signs cookies.

        Raises
        ------
        Refusal
            The one that is configured can be guessed.
        """
        if self.session_key and len(self.session_key) < LEAST_KEY:
            raise Refusal(
                f"session_key of [server] has fewer than {LEAST_KEY} characters; draw a long one at random, "
                "for instance with `openssl rand -hex 32`"
            )
        return self.session_key.encode() or kept_key(folder / KEY_FILE)

    def rules(self, public_url: str) -> Rules:
        """Return what holds for everybody."""
        return Rules(
            is_public=self.public,
            metrics=self.metrics,
            reads_s=self.reads_s,
            writes_s=self.writes_s,
            session_idle_s=self.session_idle_hours * 3600.0,
            session_longest_s=self.session_hours * 3600.0,
            is_secure=public_url.startswith("https:"),
            has_provider=self.oidc is not None,
        )


@contextlib.contextmanager
def access_of(
    settings: AccessSettings, book: Book, host: str, public_url: str, folder: Path
) -> Iterator[Access]:
    """Make the access of a server that listens at a host.

    Parameters
    ----------
    folder
        Where the key is kept that signs cookies, unless there is one in the configuration.

    Raises
    ------
    Refusal
        The key that is configured can be guessed.
    """
    access = Access(
        book,
        wall_clock_us,
        time.monotonic,
        write_token=settings.write_token,
        open_writes=is_loopback(host),
        rules=settings.rules(public_url),
        key=settings.key(folder),
    )
    try:
        yield access
    finally:
        access.checks.stop()


@contextlib.asynccontextmanager
async def following_book(book: Book, kafka: KafkaAccess, prefix: str) -> AsyncIterator[asyncio.Task[None]]:
    """Let the book follow what is changed over Kafka; yields the task, which goes on without end."""
    follower = RegistryFollower(Reader(kafka, [REGISTRY], {}, prefix), book.follow)
    task = asyncio.create_task(follower.run(), name="accounts")
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def kept_key(file: Path) -> bytes:
    """Return the key that is kept in a file, for this program's user alone; it is drawn the first time."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        new = file.with_name(f"{file.name}.{os.getpid()}.new")
        with open(new, "wb", opener=lambda path, flags: os.open(path, flags, 0o600)) as opened:
            opened.write(secrets.token_bytes(LEAST_KEY))
        with contextlib.suppress(FileExistsError):
            file.hardlink_to(new)  # whole, and only the first of several processes
        new.unlink()
        found = file.read_bytes()
    except OSError as error:
        log.warning(
            "the key of sessions cannot be kept, so a restart ends them: set session_key of [server]",
            file=str(file),
            error=str(error),
        )
        return secrets.token_bytes(LEAST_KEY)
    if len(found) < LEAST_KEY:
        log.error("the key of sessions is damaged: delete its file", file=str(file))
        return secrets.token_bytes(LEAST_KEY)
    return found
