"""What all pages are made of: the document around them, tables, sections."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from gnss.reports.markup import Child, Markup, join, tag
from gnss.reports.style import STYLE
from gnss.reports.words import Words

GLYPHS = {"good": "✓", "degraded": "▲", "bad": "✕", "unknown": "○"}
"""A mark for each state, for those who do not see its colour."""
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"


def page(title: str, words: Words, *children: Child, is_broad: bool = False) -> str:
    """Return a whole document that needs nothing else, and that may not load anything."""
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=_POLICY),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("title", title),
        tag("style", Markup(STYLE)),
    )
    language = "en" if words.language == "en" else "zh-CN"
    return "<!DOCTYPE html>\n" + tag(
        "html", head, tag("body", tag("main", *children, class_="broad" if is_broad else None)), lang=language
    )


def section(title: str, *children: Child) -> Markup:
    """Return a part of the page under its title."""
    return tag("section", tag("h2", title), *children)


def table(heads: Sequence[tuple[str, bool]], rows: Iterable[Markup]) -> Markup:
    """Return a table; `heads` are titles and whether a column holds text."""
    titles = [tag("th", title, class_="text" if is_text else None) for title, is_text in heads]
    return tag(
        "div",
        tag("table", tag("thead", tag("tr", *titles)), tag("tbody", *rows)),
        class_="wide",
    )


def cells(*values: Child, text: Sequence[int] = (), class_: str | None = None) -> Markup:
    """Return a row; `text` are the columns that hold text."""
    return tag(
        "tr",
        *(
            tag("td", value, class_="text" if place in text else "number")
            for place, value in enumerate(values)
        ),
        class_=class_,
    )


def badge(state: str, words: Words) -> Markup:
    """Return a state as a word with its mark."""
    return tag("span", f"{GLYPHS[state]} {words(state)}", class_=f"badge {state}")


def state_word(state: str, words: Words) -> Markup:
    """Return a state in a line of text or a table."""
    return tag("span", f"{GLYPHS[state]} {words(state)}", class_=state)


def pairs(rows: Iterable[tuple[Child, Child]]) -> Markup:
    """Return names with what belongs to them."""
    return tag("dl", *(join(tag("dt", name), tag("dd", value)) for name, value in rows))
