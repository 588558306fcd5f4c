"""The words of attachments that are text: a note sent as base64 names the same things as a note sent plainly."""

from __future__ import annotations

import base64
import binascii
import html
import re
from collections.abc import Iterator
from typing import Any

LONGEST = 4 * 1024 * 1024
"""Characters of base64 that are read; a longer text is read up to here."""
_TAG = re.compile(r"<[^<>]{0,2000}>")
_RTF = re.compile(r"\\[a-z]{1,32}-?\d* ?|\\'[0-9a-f]{2}|[{}]")
_READABLE = ("text/", "application/rtf", "application/xml", "application/xhtml", "application/json", "application/hl7")


def texts(value: Any, depth: int = 0) -> Iterator[str]:
    """The text of every attachment inside a value."""
    if depth > 8:
        return
    if type(value) is list:
        for one in value:
            yield from texts(one, depth + 1)
    elif type(value) is dict:
        data = value.get("data")
        if type(data) is str and data:
            if (found := _read(data, str(value.get("contentType", "")))) is not None:
                yield found
            return
        for one in value.values():
            if type(one) is dict or type(one) is list:
                yield from texts(one, depth + 1)


def _read(data: str, kind: str) -> str | None:
    kind = kind.lower()
    try:
        raw = base64.b64decode(data[: LONGEST - LONGEST % 4], validate=False)
    except (binascii.Error, ValueError):
        return None
    if kind and not kind.startswith(_READABLE):
        return None
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        text = raw.decode("cp1252", "replace")
    if not kind and "\0" in text[:1000]:
        return None
    if text.lstrip().startswith("{\\rtf"):
        return _RTF.sub(" ", text)
    return html.unescape(_TAG.sub(" ", text)) if "<" in text else text
