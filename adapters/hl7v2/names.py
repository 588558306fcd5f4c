"""Names of people: XPN, PN, XCN -> HumanName. Source: HL7 v2.8.2 sections 2A.2.87 (XPN), 2A.2.86 (XCN), table 0200."""

from __future__ import annotations

from typing import Any

from adapters.hl7v2.draft import Draft
from adapters.hl7v2.reader import Segment
from adapters.hl7v2.times import SENT_URL, period, put_time

OWN_PREFIX = "http://hl7.org/fhir/StructureDefinition/humanname-own-prefix"
OWN_NAME = "http://hl7.org/fhir/StructureDefinition/humanname-own-name"
PARTNER_PREFIX = "http://hl7.org/fhir/StructureDefinition/humanname-partner-prefix"
PARTNER_NAME = "http://hl7.org/fhir/StructureDefinition/humanname-partner-name"
_FAMILY_PARTS = (None, OWN_PREFIX, OWN_NAME, PARTNER_PREFIX, PARTNER_NAME)


def core(d: Draft, parts: list[str]) -> dict[str, Any]:
    """Family, given, second given, suffix, prefix, degree of the first six components."""
    made: dict[str, Any] = {}
    size = len(parts)
    if parts[0]:
        pieces = [d.text(p) for p in parts[0].split(d.message.sub)]
        if pieces[0]:
            made["family"] = pieces[0]
        elif any(pieces[1:]):
            made["family"] = " ".join(p for p in pieces[1:3] if p) or " ".join(p for p in pieces[3:5] if p)
        extensions = [
            {"url": url, "valueString": piece}
            for url, piece in zip(_FAMILY_PARTS[1:], pieces[1:5], strict=False)
            if piece
        ]
        if extensions:
            made["_family"] = {"extension": extensions}
    given = [t for p in parts[1:3] if p and (t := d.text(p))]
    if given:
        made["given"] = given
    if size > 4 and parts[4] and (prefix := d.text(parts[4])):
        made["prefix"] = [prefix]
    suffix = [t for at in (3, 5) if at < size and parts[at] and (t := d.text(parts[at]))]
    if suffix:
        made["suffix"] = suffix if suffix[0] != suffix[-1] else suffix[:1]
    if "," in made.get("family", "") and len(made) == 1:
        _listed(made)
    return made


_AFTER = frozenset(
    [
        "JR",
        "SR",
        "II",
        "III",
        "IV",
        "MD",
        "DO",
        "RN",
        "NP",
        "PA",
        "PHD",
        "DDS",
        "DPM",
        "INC",
        "LLC",
        "LTD",
        "CO",
        "CORP",
        "PC",
    ]
)


def _listed(made: dict[str, Any]) -> None:
    """A whole name in the first component, the family name first: `LEE,JOHN Q`. What was sent stays as its text."""
    family, _, rest = made["family"].partition(",")
    given = rest.split()
    if family.strip() and given and len(given) < 4 and "," not in rest and given[0].strip(".").upper() not in _AFTER:
        made["text"] = made["family"]
        made["family"], made["given"] = family.strip(), given


def used(d: Draft, kind: str, made: dict[str, Any], default: str = "") -> None:
    """The use that a name type (table 0200) says; a type that says none, or a site's own, stays at the element as sent."""
    found = d.coded("0200", kind) if kind else None
    if found is not None and found[1] != "-":
        made["use"] = found[1]
    elif kind:
        made["_use"] = {"extension": [{"url": SENT_URL, "valueString": kind}]}
    if default and "use" not in made:
        made["use"] = default


def within(
    d: Draft, s: Segment, n: int, parts: list[str], rep: int, at: tuple[int, int, int], span: dict[str, Any]
) -> None:
    """The validity of a name or address: a range in one component, start and end in two others; one fact once."""
    size = len(parts)
    if at[0] < size and parts[at[0]]:
        span.update(period(d, s, n, parts[at[0]], rep, at[0] + 1) or {})
    for where, end in zip(at[1:], ("start", "end"), strict=True):
        if where < size and parts[where]:
            held: dict[str, Any] = {}
            put_time(d, s, n, parts[where], held, end, rep, where + 1)
            if end not in span:
                span.update(held)
            elif held and held[end] != span[end]:
                d.lose(s, n, rep, where + 1)


def xpn(d: Draft, s: Segment, n: int, raw: str, rep: int = 0, default_use: str = "") -> dict[str, Any] | None:
    """One repetition -> HumanName, None where no name is in it."""
    parts = raw.split(d.message.component)
    size = len(parts)
    made = core(d, parts)
    if not made:
        if size > 6 and d.text(parts[6]).upper() == "S":
            d.rest(s, n, rep, parts, 7)
            return {"use": "anonymous"}  # a name that is withheld: said by its type alone
        if size > 1 or d.text(parts[0]):
            d.rest(s, n, rep, parts, 6)
        return None
    used(d, d.text(parts[6]) if size > 6 else "", made, default_use)
    if size > 7:
        for at in (7, 8, 10):
            if at < size and parts[at] and parts[at] != '""':
                if at == 7 and d.text(parts[at]) == "A":
                    continue  # alphabetic: says only that these are letters
                d.lose(s, n, rep, at + 1)
        span: dict[str, Any] = {}
        within(d, s, n, parts, rep, (9, 11, 12), span)
        if span:
            made["period"] = span
        if size > 13:
            if (degree := d.text(parts[13])) and degree not in made.get("suffix", ()):
                made.setdefault("suffix", []).append(degree)
            if size > 14 and (called := d.text(parts[14])):
                made["text"] = called
            d.rest(s, n, rep, parts, 15)
    return made


def names(d: Draft, s: Segment, n: int, raw: str, default_use: str = "") -> list[dict[str, Any]]:
    return [made for rep, part in d.repeats(raw) if (made := xpn(d, s, n, part, rep, default_use))]


def written(name: dict[str, Any]) -> str:
    """A name in one line: prefix, given, family, suffix."""
    parts = [*name.get("prefix", ()), *name.get("given", ()), name.get("family", ""), *name.get("suffix", ())]
    return " ".join(p for p in parts if p) or name.get("text", "")
