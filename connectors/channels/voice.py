"""Calls by telephone, over a provider's HTTP gateway that speaks a text."""

from __future__ import annotations

from typing import Annotated

import msgspec

from connectors.channels import Surroundings, register
from connectors.channels.gateway import Gateway, GatewayConfig
from connectors.channels.message import CallMessage
from streams.alert_words import LEVEL

_ENDS = (".", "!", "?", "。", "！", "？")


class VoiceConfig(GatewayConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`kind = "voice"`."""

    times: Annotated[int, msgspec.Meta(ge=1, le=5)] = 2
    """That `{content}` is spoken."""
    max_characters: Annotated[int, msgspec.Meta(ge=40, le=2000)] = 300
    """Of `{content}`, spoken once."""

    def channel(self, name: str, around: Surroundings) -> Gateway:
        """Return the channel."""
        return Gateway(
            name,
            self,
            lambda m: spoken(m, self.max_characters, self.times),
            around.clock_us,
            around.public_url,
        )


def spoken(message: CallMessage, most: int, times: int) -> str:
    """Return level, subject and text as sentences, some times; nobody can listen to a link."""
    said = [LEVEL[message.level].zh, message.level, message.subject, message.text]
    sentences = [s.strip() if s.strip().endswith(_ENDS) else f"{s.strip()}." for s in said if s.strip()]
    return " ".join([" ".join(sentences)[:most]] * times)


register("voice", VoiceConfig)
