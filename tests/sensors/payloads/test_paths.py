"""Paths and templates that were taken apart, held against reading them anew for each sample."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensors.payloads import paths
from sensors.payloads.paths import ABSENT, UnusableError, checked, finder, namer

keys = st.sampled_from(["a", "b", "0", "1", "a.b", "", "²", "01", "9999999999"])
nodes = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=4),
    max_leaves=10,
)
asked = st.lists(keys, max_size=3).map(".".join)
templates = st.lists(
    st.sampled_from(["x", ".", "{a}", "{b.0}", "{a.b}", "{0}", "{1}", "{9}", "{²}", "{", "}", "{}", "{{a}}"]),
    max_size=4,
).map("".join)


def found(node, path):
    if path == "" or (isinstance(node, dict) and path in node):
        return node[path] if path else node
    for key in path.split("."):
        if isinstance(node, dict) and key in node:
            node = node[key]
        elif isinstance(node, list) and re.fullmatch("[0-9]+", key) and int(key) < len(node):
            node = node[int(key)]
        else:
            return ABSENT
    return node


def filled(template, levels, sample, message):
    def place(match):
        name = match[1]
        if re.fullmatch("[0-9]+", name):
            if int(name) >= len(levels):
                raise UnusableError
            return levels[int(name)]
        value = found(sample, name)
        value = found(message, name) if value is ABSENT else value
        if type(value) not in (str, int):
            raise UnusableError
        return str(value)

    return re.sub(r"\{([^{}]+)\}", place, template)


@given(nodes, asked)
def test_a_path_finds_what_stands_there(node, path):
    for place in (node, [node, {path: node}], {path: node}):
        assert finder(path)(place) is found(place, path)


@given(templates, st.lists(st.text(max_size=3), min_size=1, max_size=3), nodes, nodes)
def test_a_template_is_filled(template, levels, sample, message):
    try:
        expected = filled(template, levels, sample, message)
    except UnusableError:
        with pytest.raises(UnusableError):
            namer(template)(levels, sample, message)
    else:
        assert namer(template)(levels, sample, message) == expected


def test_what_cannot_be_an_id_is_refused_each_time_and_memory_is_bounded():
    for _ in range(2):
        with pytest.raises(UnusableError, match="cannot be a datastream"):
            checked("a b")
    assert checked("a") == "a"
    assert checked.cache_info().maxsize == paths.IDS_REMEMBERED
