"""What a configuration says of the data as a whole."""

from __future__ import annotations

from typing import Annotated

import msgspec

Line = Annotated[str, msgspec.Meta(max_length=500)]


class Contact(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who answers questions about the data."""

    organisation: Line = ""
    name: Line = ""
    email: Line = ""
    phone: Line = ""
    url: Line = ""


class CatalogueConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[catalogue]`."""

    title: Line = "Groundswell"
    title_zh: Line = ""
    """Empty: the other one."""
    namespace: Line = "groundswell"
    """Before the ids of data sets, where several installations are listed together: cn.example.wuhan"""
    licence: Line = ""
    """As SPDX names it (CC-BY-4.0), or in words; empty: nothing is said."""
    licence_url: Line = ""
    constraints: Line = ""
    """On access and use, in words."""
    constraints_zh: Line = ""
    keywords: Annotated[list[Line], msgspec.Meta(max_length=50)] = []
    contact: Contact = Contact()
