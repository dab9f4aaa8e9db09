"""A report page: an out in Markdown or HTML, on Dagster's page of the asset.

The page comes from a commit and its reader is signed in to Dagster. So it must not act as a part of
Dagster's own page, and must not send requests to other hosts:

1. HTML is shown as its plain text: no script runs, no form is sent, no style hides text.
2. HTML inside Markdown is shown as source text.
3. Pictures become links: loading a picture would tell its host about the reader.
"""

from __future__ import annotations

import html.parser
import os
import re
import stat
from pathlib import Path

import dagster as dg

_LARGEST = 200 << 10  # bytes of a page; a larger one is not shown
_MARKDOWN = (".md", ".markdown")
_HTML = (".html", ".htm")
_TAG = re.compile(r"<(?=[A-Za-z/!?])")
_BLOCKS = {"p", "div", "br", "tr", "li", "h1", "h2", "h3", "h4", "h5", "h6", "table", "pre"}


def page_metadata(path: Path) -> dict[str, dg.MetadataValue]:
    """Return the page of an out; empty if the out is not a page, or too large."""
    suffix = path.suffix.lower()
    if suffix not in (*_MARKDOWN, *_HTML):
        return {}
    text = _read(path)
    if text is None:
        return {}
    shown = tame_markdown(text) if suffix in _MARKDOWN else _as_block(extract_text(text))
    return {"page": dg.MetadataValue.md(shown)}


def _read(path: Path) -> str | None:
    try:
        number = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None  # display only: an unreadable page is not shown
    with os.fdopen(number, "rb") as stream:
        if not stat.S_ISREG(os.fstat(number).st_mode):
            return None
        content = stream.read(_LARGEST + 1)
    return content.decode("utf-8", "replace") if len(content) <= _LARGEST else None


def tame_markdown(text: str) -> str:
    """Return the same Markdown without HTML and pictures."""
    return _TAG.sub("&lt;", text).replace("![", "[")  # 2, 3


def extract_text(page: str) -> str:
    """Return the text of an HTML page, a line for each of its blocks."""
    reader = _Reader()
    reader.feed(page)
    reader.close()
    lines = (" ".join(line.split()) for line in "".join(reader.parts).split("\n"))
    return "\n".join(line for line in lines if line)


def _as_block(text: str) -> str:
    """Return Markdown that shows any text as it is."""  # 1
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}text\n{text}\n{fence}"


class _Reader(html.parser.HTMLParser):
    """Collects the text that a browser would show."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.parts: list[str] = []
        self._hidden = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._hidden += tag in ("script", "style", "head", "template")
        if tag in _BLOCKS:
            self.parts.append("\n")
        elif tag in ("td", "th"):
            self.parts.append(" ")

    def handle_endtag(self, tag: str) -> None:
        if tag in ("script", "style", "head", "template") and self._hidden:
            self._hidden -= 1
        if tag in _BLOCKS:
            self.parts.append("\n")

    def handle_data(self, data: str) -> None:
        if not self._hidden:
            self.parts.append(data)
