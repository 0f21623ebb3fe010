"""What can go wrong in an NTRIP conversation. Each error says whether trying again soon can help."""

from __future__ import annotations

from typing import ClassVar


class NtripError(Exception):
    """Base of all; the text is a sentence for a person and holds no credentials."""

    retry_soon: ClassVar[bool] = True
    """False: somebody has to change something first."""


class MalformedError(NtripError):
    """The peer does not speak NTRIP, or sends a head, chunk or compressed body that cannot be."""


class HeadTooLargeError(MalformedError):
    """The head is longer than `gnss.ntrip.head.MAX_HEAD_BYTES`."""


class UnauthorisedError(NtripError):
    """The caster does not accept the user name and password."""

    retry_soon = False


class MountpointNotFoundError(NtripError):
    """The caster has no such mountpoint now. Many list a station only while it sends: it may come back."""


class SourcetableError(MountpointNotFoundError):
    """The caster answered with its sourcetable in place of a stream: it does not know the mountpoint."""


class BusyError(NtripError):
    """The caster is overloaded or has no free place (503)."""


class RefusedError(NtripError):
    """Any other answer than success.

    Parameters
    ----------
    text
        The sentence.
    status
        HTTP status; 0 when the answer had none.
    """

    def __init__(self, text: str, status: int = 0) -> None:
        super().__init__(text)
        self.status = status
