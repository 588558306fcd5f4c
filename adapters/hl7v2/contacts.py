"""Addresses and telephone numbers: XAD, SAD -> Address; XTN -> ContactPoint.

Sources: HL7 v2.8.2 sections 2A.2.84 (XAD), 2A.2.89 (XTN), tables 0190, 0201, 0202.
"""

from __future__ import annotations

import re
from typing import Any

from adapters.hl7v2.draft import Draft
from adapters.hl7v2.names import within
from adapters.hl7v2.reader import Segment
from adapters.hl7v2.times import SENT_URL, put_time

CENSUS_TRACT = "http://hl7.org/fhir/StructureDefinition/iso21090-ADXP-censusTract"
_DIGITS = re.compile(r"\D+")


def xad(d: Draft, s: Segment, n: int, raw: str, rep: int = 0) -> dict[str, Any] | None:
    """One repetition -> Address."""
    parts = raw.split(d.message.component)
    size = len(parts)
    made: dict[str, Any] = {}
    lines = []
    if parts[0]:
        street = [t for p in parts[0].split(d.message.sub) if (t := d.text(p))]
        if len(street) == 3:  # SAD: whole street address, street name, dwelling number
            whole = street[0]
            lines.append(whole)
            lines.extend(t for t in (" ".join((street[2], street[1])),) if street[1] not in whole)
        elif street:
            lines.append(" ".join(street))
    if size > 1 and (other := d.text(parts[1])):
        lines.append(other)
    if size > 18 and (addressee := d.text(parts[18])):
        lines.insert(0, addressee)
    if lines:
        made["line"] = lines
    for at, key in ((2, "city"), (3, "state"), (4, "postalCode"), (5, "country"), (8, "district")):
        if at < size and parts[at] and (value := d.text(parts[at])):
            if d.message.sub in value:  # a code with its name: from 2.7 on some of these are coded
                pieces = value.split(d.message.sub)
                value = pieces[0] or pieces[1]
                if any(pieces[2:]) or (pieces[0] and pieces[1] not in ("", value)):
                    d.lose(s, n, rep, at + 1)
            if value:
                made[key] = value
    if size > 6:
        if kind := d.text(parts[6]):
            found = d.coded("0190", kind)
            if found is None:  # a site's own type stays at the element as sent
                made["_use"] = {"extension": [{"url": SENT_URL, "valueString": kind}]}
            else:
                for code in found[1].split():
                    made["type" if code in ("postal", "physical") else "use"] = code
        if size > 7 and (region := d.text(parts[7])):
            if "district" in made:
                d.lose(s, n, rep, 8)
            else:
                made["district"] = region
        if size > 9 and (tract := d.text(parts[9])):
            made["extension"] = [{"url": CENSUS_TRACT, "valueString": tract}]
        if size > 10:
            if parts[10] and d.text(parts[10]) not in ("A", ""):
                d.lose(s, n, rep, 11)
            span: dict[str, Any] = {}
            within(d, s, n, parts, rep, (11, 12, 13), span)
            if span:
                made["period"] = span
            _flags(d, s, n, parts, rep, made)
    if not any(key in made for key in ("line", "city", "state", "postalCode", "country", "district", "extension")):
        for at in range(6, size):
            if d.text(parts[at]) and d.where(s, n, rep, at + 1) not in d.lost:
                d.lose(s, n, rep, at + 1)
        return None
    return made


def _flags(d: Draft, s: Segment, n: int, parts: list[str], rep: int, made: dict[str, Any]) -> None:
    """XAD-15 .. 23: temporary and bad addresses become the use; a comment becomes the text."""
    for at in range(14, len(parts)):
        value = d.text(parts[at])
        if not value:
            continue
        if at in (15, 16) and value in ("Y", "1"):
            use = "temp" if at == 15 else "old"
            if made.get("use", use) != use:  # R4 has one use: temporary or bad says more than home
                d.lose(s, n, rep, 7)
            made["use"] = use
        elif at == 19:
            made["text"] = value
        elif at not in (15, 16, 18):
            d.lose(s, n, rep, at + 1)


def addresses(d: Draft, s: Segment, n: int, raw: str) -> list[dict[str, Any]]:
    return [made for rep, part in d.repeats(raw) if (made := xad(d, s, n, part, rep))]


def xtn(d: Draft, s: Segment, n: int, raw: str, rep: int = 0, use: str = "") -> list[dict[str, Any]]:
    """One repetition -> a number, an e-mail address, or both. `use` is what the field itself says (PID-13 home)."""
    message = d.message
    if message.component not in raw:
        text = d.text(raw)
        if not text:
            return []
        made = {"system": "email" if "@" in text else "phone", "value": text}
        if use:
            made["use"] = use
        return [made]
    parts = [d.text(p) if p else "" for p in raw.split(message.component)]
    parts += [""] * (18 - len(parts))
    system = "phone"
    sent: dict[str, str] = {}
    """Types that no table knows: they stay at the element as sent."""
    if parts[1]:
        found = d.coded("0201", parts[1])
        if found is None:
            sent["_use"] = parts[1]
        elif found[1] == "email":
            system = "email"
        else:
            use = "" if found[1] == "-" else found[1]
    if parts[2]:
        found = d.coded("0202", parts[2])
        if found is None:
            sent["_system"] = parts[2]
        elif found[1] == "mobile":
            use = "mobile"
        else:
            system = found[1]
    email = parts[3]
    number = _number(parts)
    made_points: list[dict[str, Any]] = []
    # XTN-1 and XTN-12 are the whole number once more; where one says another number, both were sent and both are kept
    others = [
        parts[at]
        for at in (0, 11)
        if parts[at] and parts[at] != number and not _same_number(parts[at], number) and parts[at] != email
    ]
    if others:
        d.warn("contradiction", s, n, "the number as a whole and its parts differ", rep)
    if number:
        looks_like_mail = "@" in number
        if looks_like_mail and email == number:
            email = ""
        made_points.append(
            {"system": "email" if looks_like_mail else ("phone" if system == "email" else system), "value": number}
        )
    for other in dict.fromkeys(others):
        made_points.append({"system": "email" if "@" in other else "phone", "value": other})
    if email:
        made_points.append({"system": "url" if system == "url" else "email", "value": email})
    if not made_points:
        d.rest(s, n, rep, parts, 1)
        return []
    span: dict[str, Any] = {}
    if parts[12]:
        put_time(d, s, n, parts[12], span, "start", rep, 13)
    if parts[13]:
        put_time(d, s, n, parts[13], span, "end", rep, 14)
    for point in made_points:
        if use:
            point["use"] = use if point["system"] != "email" or use != "mobile" else "home"
        if parts[17].isdigit() and int(parts[17]) > 0:
            point["rank"] = int(parts[17])
        if span:
            point["period"] = dict(span)
        for key, text in sent.items():
            point[key] = {"extension": [{"url": SENT_URL, "valueString": text}]}
    for at in (8, 9, 10, 14, 15, 16):
        if parts[at]:
            d.lose(s, n, rep, at + 1)
    return made_points


def _same_number(whole: str, number: str) -> bool:
    """Whether two texts are one number: the digits of one are in the other's."""
    one, other = _DIGITS.sub("", whole), _DIGITS.sub("", number)
    return bool(one) and (one in other or (len(other) > 6 and other in one))


def _number(parts: list[str]) -> str:
    """The number as one text: as sent in XTN-1 or XTN-12 where that says it all, else from country, area, local, extension."""
    country, area, local, extension = parts[4:8]
    whole = parts[0] or parts[11]
    if not local and not area:
        return whole + (f" x{extension}" if extension and extension not in whole else "")
    digits = _DIGITS.sub("", whole)
    if whole and all(_DIGITS.sub("", piece) in digits for piece in (country, area, local, extension)):
        return whole
    built = f"+{country.lstrip('+')} " if country else ""
    if area:
        built += f"({area}) "
    built += local
    return built.strip() + (f" x{extension}" if extension else "")


def telecoms(d: Draft, s: Segment, n: int, raw: str, use: str = "") -> list[dict[str, Any]]:
    return [point for rep, part in d.repeats(raw) for point in xtn(d, s, n, part, rep, use)]
