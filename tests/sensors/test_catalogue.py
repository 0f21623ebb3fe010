from importlib.resources import files

import pytest

from sensors.catalogue import parse_catalogue

ENTRY = """
[[property]]
id = "x"
name = "X"
domain = "ocean"
unit = "m"
span = [0.0, 10.0]
sampling_period_s = 60.0
"""


def test_the_shipped_catalogue_is_sound_and_has_what_the_programs_need():
    properties = [
        observed
        for file in files("sensors.catalogue").iterdir()
        if file.name.endswith(".toml")
        for observed in parse_catalogue(file.read_text(encoding="utf-8"))
    ]
    by_id = {observed.id: observed for observed in properties}
    assert len(by_id) == len(properties)
    assert {"water_level", "rain", "displacement", "displacement_up", "crack", "tilt"} <= set(by_id)
    assert by_id["ground_temperature"].unit == "Cel"
    assert by_id["water_level"].tests["spike"] == {"suspect": 0.1, "fail": 0.2}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("nonsense", "catalogue"),
        (ENTRY + ENTRY, "'x'"),
        (ENTRY.replace("60.0", "0"), "sampling_period_s"),
        (ENTRY.replace("10.0", '"ten"'), "span"),
        (ENTRY + "colour = 1", "colour"),
        (ENTRY + "[property.tests.spike]\nsuspect = -1.0", "property x"),
    ],
)
def test_a_wrong_entry_is_refused_with_its_place(text, words):
    with pytest.raises(ValueError, match=words):
        parse_catalogue(text)
