"""HTML that cannot be broken by what it shows: every text that is put into it is escaped."""

import re
from collections.abc import Iterable
from html import escape

PAGE = "index.html"
"""Of a page's folder."""

_ALONE = frozenset({"img", "input", "meta", "path", "br", "wbr"})
"""Elements that have nothing inside."""


class Html(str):
    """Markup; a plain string is text, and becomes markup by being escaped."""

    __slots__ = ()


def element(name: str, *inside: str | Html, **attributes: str | int | float | bool) -> Html:
    """An element.

    Args:
        name: of the element.
        inside: elements, and texts, which are escaped.
        attributes: their values are escaped; ``True`` is an attribute without a value, ``False``
            none. An underscore at the end is dropped (``class_``), others become hyphens.

    Example:
        >>> element("p", "1 < 2", class_="note")
        '<p class="note">1 &lt; 2</p>'
    """
    words = "".join(_attribute(key, value) for key, value in attributes.items())
    if name in _ALONE:
        return Html(f"<{name}{words}>")
    return Html(f"<{name}{words}>{joined(inside)}</{name}>")


def joined(parts: Iterable[str | Html]) -> Html:
    """Elements and texts, one behind the other."""
    return Html("".join(part if isinstance(part, Html) else escape(part) for part in parts))


def breakable(name: str) -> Html:
    """A file's name that a narrow column may break behind ``/``, ``_`` and ``-``."""
    first, *others = re.split(r"(?<=[/_-])(?=.)", name)
    return joined([first, *(part for one in others for part in (element("wbr"), one))])


def document(title: str, style: str, *body: str | Html) -> str:
    """A whole page that loads nothing from elsewhere.

    Args:
        title: of the window.
        style: CSS of this program's own.
        body: as for ``element``.
    """
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", name_="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name_="color-scheme", content="light dark"),
        element("title", title),
        element("style", Html(style)),
    )
    page = element("html", head, element("body", element("main", *body)), lang="en")
    return f"<!doctype html>\n{page}\n"


def _attribute(name: str, value: str | int | float | bool) -> str:
    if value is False:
        return ""
    key = name.rstrip("_").replace("_", "-")
    return f" {key}" if value is True else f' {key}="{escape(str(value))}"'
