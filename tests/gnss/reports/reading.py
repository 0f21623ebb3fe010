"""Reads pages as strict parsers do."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from html.parser import HTMLParser

VOID = {"meta", "br", "hr", "link", "img", "col"}
SVG = "{http://www.w3.org/2000/svg}"


class _Strict(HTMLParser):
    """Fails where elements are not closed in their order."""

    def __init__(self):
        super().__init__(convert_charrefs=True)
        self.open, self.names, self.texts = [], set(), []

    def handle_starttag(self, tag, attrs):
        self.names.add(tag)
        assert len({name for name, _ in attrs}) == len(attrs), f"an attribute twice in {tag}"
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.names.add(tag)

    def handle_endtag(self, tag):
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append(data)


def read(page):
    """The page as a tree; it must be well-formed as HTML and as XML, and must not load or run anything."""
    strict = _Strict()
    strict.feed(page)
    strict.close()
    assert not strict.open
    assert not strict.names & {"script", "iframe", "object", "embed", "link", "img", "base", "form"}
    tree = ET.fromstring(page)
    for element in tree.iter():
        for name, value in element.attrib.items():
            assert not name.lower().startswith("on"), name
            assert name not in {"src", "style", "srcset", "{http://www.w3.org/1999/xlink}href"}
            assert value not in {"nan", "inf", "-inf"}, (element.tag, name)
        if element.tag == f"{SVG}path":
            assert not re.search(r"nan|inf", element.get("d")), element.get("d")
    assert "url(" not in page
    assert "@import" not in page
    return tree


def text_of(element):
    """All that a reader sees in an element, blanks made one."""
    return re.sub(r"\s+", " ", _texts(element)).strip()


def _texts(element):
    inside = "".join(_texts(child) + (child.tail or "") for child in element)
    return "\n" if element.tag == "br" else (element.text or "") + inside


def rows_of(tree, title):
    """The rows of the table in the section with a title: text of cells, and their whole figures."""
    for section in tree.iter("section"):
        if section.find("h2").text == title:
            rows = section.find(".//tbody").findall("tr")
            return [
                [(text_of(cell), [float(data.get("value")) for data in cell.iter("data")]) for cell in row]
                for row in rows
            ]
    raise AssertionError(title)


def drawings(tree, title):
    """The drawings whose title begins so."""
    return [svg for svg in tree.iter(f"{SVG}svg") if svg.get("aria-label").startswith(title)]
