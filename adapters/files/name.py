"""The name of a file that leaves: from the delivery's key and from the header of what is sent, never from the patient."""

from __future__ import annotations

import re

_WORD = re.compile(rb"[A-Za-z0-9]{1,12}\Z")
_DAY = re.compile(rb"(?:19|20)\d{6}")


def name_of(template: str, payload: bytes, key: str) -> str:
    """The same for the same bytes and key, whenever it is asked."""
    event, date, ending = _header(payload)
    return template.format(key=re.sub(r"[^A-Za-z0-9._-]", "_", key), event=event, date=date, ending=ending)


def _header(payload: bytes) -> tuple[str, str, str]:
    """Event (MSH-9.1 and 9.2), day (MSH-7) and ending of an HL7v2 message (chapter 2, MSH); of JSON the ending alone."""
    if not payload.startswith(b"MSH"):
        return "record", "undated", "json" if payload.lstrip()[:1] == b"{" else "dat"
    fields = re.split(rb"[\r\n]", payload[:4096], maxsplit=1)[0].split(payload[3:4] or b"|")
    component = fields[1][:1] if len(fields) > 1 and fields[1] else b"^"
    parts = fields[8].split(component)[:2] if len(fields) > 8 else []
    event = "_".join(part.decode() for part in parts if _WORD.match(part))
    day = _DAY.match(fields[6]) if len(fields) > 6 else None
    return event or "message", day[0].decode() if day else "undated", "hl7"
