"""Observed properties by domain. The files stand beside this one; the caller reads them."""

from __future__ import annotations

import msgspec

from sensors.model import ObservedProperty
from sensors.quality_tests import quality_tests


class _Catalogue(msgspec.Struct, forbid_unknown_fields=True):
    property: list[ObservedProperty]


_FIELDS = frozenset(ObservedProperty.__struct_fields__)


def parse_catalogue(text: str) -> list[ObservedProperty]:
    """Return the observed properties of one catalogue file.

    Parameters
    ----------
    text
        TOML with an array of tables `property`, whose keys are the fields of `ObservedProperty`.

    Raises
    ------
    ValueError
        The text is not TOML, a field is missing or has the wrong type, two properties share an id, or
        the parameters of a test make no sense. The message says where.
    """
    try:
        raw = msgspec.toml.decode(text)
        properties = msgspec.convert(raw, _Catalogue).property
    except msgspec.MsgspecError as error:
        raise ValueError(f"catalogue: {error}; correct that entry") from error
    seen: set[str] = set()
    for observed, entry in zip(properties, raw["property"], strict=True):
        if unknown := sorted(set(entry) - _FIELDS):
            raise ValueError(f"catalogue: {observed.id} has the unknown field {unknown[0]!r}; correct it")
        if observed.id in seen:
            raise ValueError(f"catalogue: two properties have the id {observed.id!r}; give each its own")
        if observed.sampling_period_s <= 0:
            raise ValueError(f"catalogue: {observed.id} needs a sampling_period_s above 0")
        seen.add(observed.id)
        quality_tests(observed)
    return properties
