"""The languages of pages that commands write."""

from __future__ import annotations

from enum import StrEnum


class Language(StrEnum):
    """Of pages that are written."""

    EN = "en"
    ZH = "zh"
