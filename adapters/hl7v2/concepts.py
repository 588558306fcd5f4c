"""Coded values (CE, CWE, CNE, CF, IS, ID) -> CodeableConcept, Coding, code.

Codes and systems stay as sent; a site's ConceptMap adds a translation in front, it never takes the original away.
Source: HL7 v2.8.2 section 2A.2.13 (CWE).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from adapters.hl7v2.draft import Draft
from adapters.hl7v2.reader import Segment
from hie.codes.rows import Target

KNOWN = 14
_TRIPLETS = ((0, 1, 2, 6, 13), (3, 4, 5, 7, 16), (9, 10, 11, 12, 19))
"""Positions of code, text, system, version, system OID of the three triplets."""


def coding(d: Draft, code: str, display: str, name: str, oid: str, table: str) -> dict[str, Any]:
    """One Coding. `name` is the coding system as sent, `table` the HL7 table that the field implies without one."""
    made: dict[str, Any] = {}
    system = d.system(name) if name else ""
    if oid and (not name or system.startswith("urn:hie:system:")):
        system = d.oid_system(oid) or system
    if not system and table and (known := d.standard(table, code)) and known[0]:
        system, code = known
    if system:
        made["system"] = system
    if code:
        made["code"] = code if code.isprintable() and "  " not in code else " ".join(code.split())
    if display:
        made["display"] = display
    return made


def concept(d: Draft, s: Segment, n: int, raw: str, rep: int = 0, table: str = "") -> dict[str, Any] | None:
    """A CodeableConcept of one repetition, or None where nothing is in it."""
    m = d.message
    if m.sub in raw and raw.count(m.sub) == 2:
        bare = raw.rstrip(m.component)
        if m.component not in bare and not bare.endswith(m.sub):  # a triplet written one level too deep: a&b&c
            raw = bare.replace(m.sub, m.component)
    if m.component not in raw:
        code = d.text(raw)
        if not code:
            return None
        if m.sub in raw and not table:
            return {"text": code}
        only = coding(d, code, "", "", "", table)
        if "system" not in only:
            d.unnamed(s, n, table, code)
        return {"coding": _translated(d, s, n, [only], [(table and "HL7" + table, code)])}
    if m.escape in raw or '""' in raw:
        parts = [d.text(part) if part else "" for part in raw.split(m.component)]
    else:
        parts = [part.strip() for part in raw.split(m.component)]
    size = len(parts)
    codings = []
    said: list[tuple[str, str]] = []
    for at, shown, named, version, oid in _TRIPLETS:
        if at >= size:
            break
        code = parts[at]
        display = parts[shown] if shown < size else ""
        if not code and not (display and at):
            continue
        name = parts[named] if named < size else ""
        made = coding(d, code, display, name, parts[oid] if oid < size else "", table if at == 0 else "")
        if version < size and parts[version]:
            made["version"] = parts[version]
        codings.append(made)
        said.append((name or (table and "HL7" + table), code))
    made = {}
    if codings:
        if "system" not in codings[0] and said[0][1]:
            d.unnamed(s, n, table, said[0][1])
        made["coding"] = _translated(d, s, n, codings, said)
    text = parts[8] if size > 8 else ""
    if not text and size > 1 and not parts[0]:
        text = parts[1]
    elif text and size > 1 and not parts[0] and parts[1] and parts[1] != text:
        d.lose(s, n, rep, 2)
    if text:
        made["text"] = text
    if size > 13:
        for at in range(13, size):
            system_oid = at in (13, 16, 19)  # that of a named system says the same again, or is listed
            if parts[at] and not (system_oid and d.oid_system(parts[at]) in ("", *(c.get("system") for c in codings))):
                d.lose(s, n, rep, at + 1)
    if not codings and size > 2 and parts[2] and not parts[0]:
        d.lose(s, n, rep, 3)
    return made or None


def _translated(
    d: Draft, s: Segment, n: int, codings: list[dict[str, Any]], said: list[tuple[str, str]]
) -> list[dict[str, Any]]:
    """The site's translation of a local code goes first; what was sent stays. `said`: system and code of each as sent."""
    maps = d.context.code_maps
    if not maps:
        return codings
    front: list[dict[str, Any]] = []
    for at, (name, code) in enumerate(said):
        system = codings[at].get("system", "")
        # by the name as sent, by the URI it stands for, by the field, by being of nobody
        found = next(
            (t for key in (name or system, system or f"{s.name}-{n}", system) if (t := _said(maps, key, code))), None
        )
        if found:
            made = {"system": found[0], "code": found[1]}
            if found[2]:
                made["display"] = found[2]
            if all(made["code"] != c.get("code") or made["system"] != c.get("system") for c in (*front, *codings)):
                front.append(made)
    return front + codings


def _said(maps: Mapping[str, Mapping[str, Target]], key: str, code: str) -> Target | None:
    table = maps.get(key)
    return table.get(code) if table else None


def concepts(d: Draft, s: Segment, n: int, raw: str, table: str = "") -> list[dict[str, Any]]:
    """Every repetition."""
    return [c for rep, part in d.repeats(raw) if (c := concept(d, s, n, part, rep, table))]


def first_coding(d: Draft, s: Segment, n: int, raw: str, table: str = "") -> dict[str, Any] | None:
    """A single Coding (Encounter.class, meta.security). What it cannot hold is listed."""
    whole = raw
    raw = raw.partition(d.message.repetition)[0]
    if len(whole) > len(raw) + 1:
        d.lose(s, n, 2)
    made = concept(d, s, n, raw, 0, table)
    if made is None:
        return None
    codings = made.get("coding")
    if not codings:
        return {"display": made["text"]}
    if len(codings) > 1 and raw.count(d.message.component) > 2:  # not only a translation of the site's
        d.lose(s, n, 0, 4)
    only: dict[str, Any] = codings[0]
    if made.get("text") and not only.get("display"):
        only["display"] = made["text"]
    return only


def code_of(d: Draft, s: Segment, n: int, raw: str, table: str) -> str | None:
    """A code of a required FHIR binding; an unknown value is a warning, and the caller keeps it as the text that was sent."""
    sent = d.first(raw)
    if not sent:
        return None
    found = d.coded(table, sent)
    if found is None or found[1] == "-":
        d.warn("code-not-mapped", s, n, f"the value is not in table {table} and no map of the site covers it")
        return None
    parts = raw.split(d.message.component)
    if len(parts) > 3 and parts[3] and d.message.repetition not in raw:
        d.rest(s, n, 0, parts, 3)
    return found[1]


def plain(d: Draft, raw: str) -> str:
    """Human-readable text of a coded or composite value: text, else code."""
    parts = [d.text(p) for p in raw.partition(d.message.repetition)[0].split(d.message.component)]
    return (parts[8] if len(parts) > 8 and parts[8] else "") or (parts[1] if len(parts) > 1 else "") or parts[0]
