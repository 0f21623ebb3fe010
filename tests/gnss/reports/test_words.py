import string

import pytest

from gnss.quality.judgements import INDICATORS
from gnss.quality.score import words as indicator_words
from gnss.reports import words as module
from gnss.reports.indicator_words import CHECKS_ZH, TITLES, UNITS
from gnss.reports.words import Words

NO_FIGURE = {"registry"}


def places(text):
    return {name for _, name, _, _ in string.Formatter().parse(text) if name is not None}


@pytest.mark.parametrize("key", module._WORDS)
def test_both_languages_tell_the_same_figures(key):
    english, chinese = module._WORDS[key]
    assert places(english) == places(chinese)


@pytest.mark.parametrize("code", INDICATORS)
def test_every_indicator_has_words_and_units(code):
    assert all(TITLES[code])
    assert CHECKS_ZH[code]
    assert (code in UNITS) == (code not in NO_FIGURE)
    assert (UNITS.get(code, ("", 0))[0] == "%") == (indicator_words(code).unit == 100.0)
    assert Words("zh").check(code, "english") == CHECKS_ZH[code]
    assert Words("en").check(code, "english") == "english"


def test_what_has_no_words_is_told_as_it_is():
    assert Words("zh").indicator("new_code") == "new_code"
    assert Words("zh").check("new_code", "Look.") == "Look."
