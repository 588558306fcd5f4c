"""Fax text as pages and lines, each line knowing its place."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import NamedTuple

FORM_FEED = "\f"
_CONTROL = re.compile("[\x00-\x08\x0b\x0e-\x1f\x7f]")
COUNT = re.compile(r"\bp(?:age|g|ág(?:ina)?)?[.:]?\s*#?\s*(\d{1,3})\s*(?:of|/|de|0f)\s*(\d{1,3})\b", re.IGNORECASE)
_STAMP = re.compile(r"\d{1,2}[:.]\d{2}|\d{1,2}/\d{1,2}/\d{2,4}")
_NUMBER = re.compile(r"\(?\d{3}\)?[-. ]?\d{3}[-. ]?\d{4}")
_TRANSPORT = re.compile(r"\bfrom\s*:|\bto\s*:|\bfax\b|\btsi\b|\bp\.\s*\d", re.IGNORECASE)


class Line(NamedTuple):
    """One line of text; page and number are 1-based."""

    page: int
    number: int
    text: str

    @property
    def where(self) -> str:
        return f"page {self.page} line {self.number}"


@dataclass(frozen=True, slots=True)
class Page:
    """One page without the line that the fax machines printed on it (`transport`)."""

    number: int
    lines: tuple[Line, ...]
    transport: str = ""

    @property
    def text(self) -> str:
        return "\n".join(line.text for line in self.lines)

    @property
    def filled(self) -> list[Line]:
        return [line for line in self.lines if line.text.strip()]

    @property
    def count(self) -> tuple[int, int] | None:
        """(x, y) of the document's own "Page x of y" at the head or foot of the page."""
        filled = self.filled
        for line in (*filled[:6], *reversed(filled[-4:])):
            if (found := COUNT.search(line.text)) is not None:
                x, y = int(found.group(1)), int(found.group(2))
                if 0 < x <= y:
                    return x, y
        return None


def to_text(raw: bytes) -> str:
    """Bytes of an OCR server as text: UTF-8, else windows-1252; line ends are LF."""
    raw = raw.removeprefix(b"\xef\xbb\xbf")
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        text = raw.decode("cp1252", "replace")
    return _CONTROL.sub("", text.replace("\r\n", "\n").replace("\r", "\n"))


def pages_of(text: str) -> list[Page]:
    """The pages in order. A form feed behind the last page does not make another one."""
    parts = text.split(FORM_FEED)
    if len(parts) > 1 and not parts[-1].strip():
        parts.pop()
    return [_page(number, part) for number, part in enumerate(parts, 1)]


def _page(number: int, text: str) -> Page:
    lines = [Line(number, n, line.rstrip()) for n, line in enumerate(text.split("\n"), 1)]
    transport = ""
    for at, line in enumerate(lines[:4]):
        if not line.text.strip():
            continue
        if _is_transport(line.text):
            transport = line.text
            lines[at] = line._replace(text="")
        break
    return Page(number, tuple(lines), transport)


def _is_transport(text: str) -> bool:
    """The machine's own line: a time or date, with a fax number or page count, and FROM, TO, FAX or P. beside it."""
    return bool(
        _STAMP.search(text)
        and (_NUMBER.search(text) or COUNT.search(text) or re.search(r"\bP\.?\s*\d+", text))
        and (_TRANSPORT.search(text) or COUNT.search(text))
        and not re.search(r"\b(?:dob|mrn|patient|birth)\b", text, re.IGNORECASE)
    )
