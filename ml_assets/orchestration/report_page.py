"""A report page: an out in Markdown or HTML, as Dagster's page of the asset shows it.

A commit has written it, and whoever looks at it is signed in to Dagster. So nothing of it is taken
for a part of Dagster's own page, and nothing of it asks another host for anything:

1. Of HTML only its text is shown, as text: no script runs, no form is sent, no style hides.
2. What Markdown holds of HTML is shown as what is written there.
3. Pictures are links: one that is fetched would tell its host who looks.
"""

from __future__ import annotations

import html.parser
import os
import re
import stat
from pathlib import Path

import dagster as dg

_LARGEST = 200 << 10  # bytes of a page; a larger one is opened where it lies
_MARKDOWN = (".md", ".markdown")
_HTML = (".html", ".htm")
_TAG = re.compile(r"<(?=[A-Za-z/!?])")
_BLOCKS = {"p", "div", "br", "tr", "li", "h1", "h2", "h3", "h4", "h5", "h6", "table", "pre"}


def page_metadata(path: Path) -> dict[str, dg.MetadataValue]:
    """Return what is shown of an out that is a page; nothing where it is none, or too large."""
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
        return None  # this is display: what cannot be read is not shown
    with os.fdopen(number, "rb") as stream:
        if not stat.S_ISREG(os.fstat(number).st_mode):
            return None
        content = stream.read(_LARGEST + 1)
    return content.decode("utf-8", "replace") if len(content) <= _LARGEST else None


def tame_markdown(text: str) -> str:
    """Return Markdown that holds neither HTML nor pictures, but says the same."""
    return _TAG.sub("&lt;", text).replace("![", "[")  # 2, 3


def extract_text(page: str) -> str:
    """Return the text of an HTML page, a line for each of its blocks."""
    reader = _Reader()
    reader.feed(page)
    reader.close()
    lines = (" ".join(line.split()) for line in "".join(reader.parts).split("\n"))
    return "\n".join(line for line in lines if line)


def _as_block(text: str) -> str:
    """Return Markdown that shows a text as it is, whatever it holds."""  # 1
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}text\n{text}\n{fence}"


class _Reader(html.parser.HTMLParser):
    """Collects what a browser would show as text."""

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
