"""Text messages, over a provider's HTTP gateway."""

from __future__ import annotations

from typing import Annotated

import msgspec

from connectors.channels import Surroundings, register
from connectors.channels.gateway import Gateway, GatewayConfig
from connectors.channels.message import CallMessage
from streams.alert_words import LEVEL


class SmsConfig(GatewayConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`kind = "sms"`."""

    max_characters: Annotated[int, msgspec.Meta(ge=40, le=2000)] = 300
    """Of `{content}`: providers send longer ones in parts, and some cut them."""

    def channel(self, name: str, around: Surroundings) -> Gateway:
        """Return the channel."""
        return Gateway(
            name, self, lambda m: worded(m, self.max_characters), around.clock_us, around.public_url
        )


def worded(message: CallMessage, most: int) -> str:
    """Return level, subject, text and link in so many characters; the text gives way, then the link."""
    head = f"[{LEVEL[message.level].zh} {message.level}] {message.subject}".strip()
    link = f" {message.link}" if message.link and len(message.link) < most // 2 else ""
    room = most - len(head) - len(link)
    if room < 0:
        return head[: most - len(link) - 1] + "…" + link
    text = f" {message.text}" if message.text else ""
    if len(text) > room:
        text = text[: room - 1] + "…" if room > 3 else ""
    return head + text + link


register("sms", SmsConfig)
