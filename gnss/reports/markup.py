"""Elements of a page as text: what is not made here is escaped, so no text from outside can be markup.

The result is well-formed as XML and as HTML.
"""

from __future__ import annotations

import html

from gnss.reports.texts import clean

_VOID = frozenset({"meta", "br", "hr", "link", "img", "col"})
_DRAWN = frozenset({"path", "line", "rect", "circle"})


class Markup(str):
    """Text that is markup already."""

    __slots__ = ()


NOTHING = Markup("")

Child = str | None


def tag(name: str, /, *children: Child, **attributes: str | float | None) -> Markup:
    """Return an element.

    Parameters
    ----------
    children
        `Markup` stands as it is, any other text is escaped, None is left out.
    attributes
        Escaped; None is left out. `class_` is `class`, and other underscores are hyphens; numbers are written
        shortly, to a tenth.
    """
    told = "".join(
        f' {"class" if key == "class_" else key.replace("_", "-")}="{_attribute(value)}"'
        for key, value in attributes.items()
        if value is not None
    )
    if name in _VOID or (name in _DRAWN and not children):
        return Markup(f"<{name}{told}/>")
    return Markup(f"<{name}{told}>{join(*children)}</{name}>")


def join(*children: Child) -> Markup:
    """Return several pieces as one."""
    return Markup(
        "".join(
            child if isinstance(child, Markup) else html.escape(clean(child), quote=False)
            for child in children
            if child is not None
        )
    )


def outside(text: str) -> Markup:
    """Return a text from outside, kept from turning the direction of what stands around it."""
    return tag("bdi", text)


def short(value: float) -> str:
    """Return a number to a tenth without needless characters, as coordinates of drawings need it."""
    text = f"{value:.1f}"
    text = text.removesuffix(".0")
    return "0" if text == "-0" else text


def _attribute(value: str | float) -> str:
    return html.escape(clean(value)) if isinstance(value, str) else short(value)
