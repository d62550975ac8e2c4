"""HTML that cannot be forgotten to be escaped: a plain string is text, only `tag` makes markup."""

from __future__ import annotations

import html
from collections.abc import Iterable

from .spelling import visible


class Markup(str):
    """A piece of HTML that is ready to be sent; made by `tag` and `join` only."""

    __slots__ = ()


Child = str | None | Iterable["str | None"]


def tag(name: str, *children: Child, **attributes: str | None) -> Markup:
    """An element. Children: text (escaped, what is invisible made visible), Markup (taken as it is), None (left out).

    An attribute's name has "_" for "-" and `cls` for "class"; an attribute that is None is left out.
    """
    names = (("class" if k == "cls" else k.replace("_", "-"), v) for k, v in attributes.items())
    shown = "".join(f' {k}="{html.escape(visible(v), quote=True)}"' for k, v in names if v is not None)
    return Markup(f"<{name}{shown}>{join(*children)}</{name}>")


def join(*children: Child) -> Markup:
    """Children one after the other, escaped as `tag` does."""
    out: list[str] = []
    for child in children:
        if isinstance(child, Markup):
            out.append(child)
        elif isinstance(child, str):
            out.append(html.escape(visible(child), quote=True))
        elif child is not None:
            out.append(join(*child))
    return Markup("".join(out))


def link(address: str, *children: Child) -> Markup:
    """A link to a web page; of any other address (a script's, a file's) only the text remains."""
    if not address.startswith(("https://", "http://")):
        return join(*children)
    return tag("a", *children, href=address, target="_blank", rel="noopener noreferrer")
