"""What alerts are called where people read them: English and Chinese."""

from __future__ import annotations

from typing import NamedTuple

from sensors.detectors import Level


class Words(NamedTuple):
    """One thing in two languages."""

    en: str
    zh: str


LEVEL: dict[Level, Words] = {
    "blue": Words("blue", "蓝色"),
    "yellow": Words("yellow", "黄色"),
    "orange": Words("orange", "橙色"),
    "red": Words("red", "红色"),
}
