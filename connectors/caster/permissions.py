"""What an account may have, and why not, in a sentence for the person behind the rover."""

from __future__ import annotations

from fnmatch import fnmatchcase

from gnss.area import is_inside
from streams.definitions import AccountDefinition

_ASK = "ask whoever runs the caster"


def why_not(account: AccountDefinition | None, mountpoint: str, now_us: int) -> str:
    """Return why an account may not have a stream now; empty: it may.

    Parameters
    ----------
    account
        None: it was deleted.
    mountpoint
        The name that was asked for, which may stand for several stations.
    """
    if account is None or not account.enabled:
        return f"this account is closed; {_ASK}"
    if account.valid_from_us is not None and now_us < account.valid_from_us:
        return f"this account is not valid yet; {_ASK}"
    if account.valid_until_us is not None and now_us >= account.valid_until_us:
        return f"this account is not valid any more; {_ASK}"
    names = account.mountpoints
    if names and not any(fnmatchcase(mountpoint, name) for name in names):
        return f"this account may not have this stream; {_ASK}"
    return ""


def why_not_there(account: AccountDefinition, longitude: float, latitude: float) -> str:
    """Return why an account may not be used at a place; empty: it may."""
    if not account.areas or any(is_inside(longitude, latitude, ring) for ring in account.areas):
        return ""
    return f"this account may not be used where you are; {_ASK}"
