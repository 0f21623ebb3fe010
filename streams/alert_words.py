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


class Event(NamedTuple):
    """A hazard, and its category in the Common Alerting Protocol."""

    words: Words
    category: str


_SENSOR_RULES = "_sensor"
"""Rules so named are about a sensor that is not to be believed, and not about a hazard."""
_BY_RULE: dict[str, Event] = {
    "sea_level": Event(Words("unusual sea level", "海面异常"), "Geo"),
    "tsunami": Event(Words("tsunami", "海啸"), "Geo"),
    "surge": Event(Words("storm surge", "风暴潮"), "Met"),
    "waves": Event(Words("high waves", "海浪"), "Met"),
    "landslide": Event(Words("landslide", "滑坡"), "Geo"),
    "displacement": Event(Words("ground displacement", "地表位移"), "Geo"),
    "rainfall": Event(Words("heavy rain", "暴雨"), "Met"),
    "river": Event(Words("high water", "洪水"), "Met"),
    "shaking": Event(Words("strong shaking", "强震动"), "Geo"),
    "network_tsunami": Event(Words("tsunami", "海啸"), "Geo"),
    "network_event": Event(Words("earthquake or blast", "地震或爆破"), "Geo"),
    "network_movement": Event(Words("movement of many stations", "多站同时位移"), "Geo"),
    "fusion": Event(Words("hazard at a site", "站点综合预警"), "Geo"),
    "ground_temperature": Event(Words("ground temperature", "地温异常"), "Env"),
    "water_quality": Event(Words("water quality", "水质异常"), "Env"),
}
_BY_DOMAIN: dict[str, Event] = {
    "coast": Event(Words("coastal hazard", "海岸灾害"), "Geo"),
    "ocean": Event(Words("marine hazard", "海洋灾害"), "Env"),
    "water": Event(Words("water hazard", "水灾害"), "Met"),
    "slope": Event(Words("slope hazard", "地质灾害"), "Geo"),
    "ground": Event(Words("ground hazard", "地下环境异常"), "Env"),
    "weather": Event(Words("weather hazard", "气象灾害"), "Met"),
    "shaking": Event(Words("strong shaking", "强震动"), "Geo"),
}
_ANY = Event(Words("hazard", "灾害"), "Other")
_OF_A_SENSOR = Event(Words("sensor fault", "传感器故障"), "Infra")


def is_of_a_sensor(rule: str) -> bool:
    """Return whether a rule is about a sensor rather than a hazard."""
    return rule.endswith(_SENSOR_RULES)


def event_of(rule: str, domain: str = "") -> Event:
    """Return what the alerts of a rule are about.

    Parameters
    ----------
    rule
        A detector's name.
    domain
        Of the observed property; it tells where the rule is not known.
    """
    if is_of_a_sensor(rule):
        return _OF_A_SENSOR
    return _BY_RULE.get(rule) or _BY_DOMAIN.get(domain) or _ANY
