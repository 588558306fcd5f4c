"""The sender's confidentiality statements -> meta.security. Sources: HL7 tables 0177, 0272, 0952; v3-Confidentiality."""

from __future__ import annotations

from adapters.hl7v2.codes import ALIASES
from adapters.hl7v2.draft import Draft
from adapters.hl7v2.reader import Segment
from hie.model import Resource


def add_security(resource: Resource, coding: dict[str, str]) -> None:
    security = resource.setdefault("meta", {}).setdefault("security", [])
    if coding not in security:
        security.append(coding)


def restrict(d: Draft, resource: Resource, code: str) -> None:
    """One v3-Confidentiality code."""
    add_security(resource, {"system": ALIASES["v3-confidentiality"], "code": code})


def confidentiality(d: Draft, s: Segment, n: int, table: str, *targets: Resource | None) -> None:
    """A coded confidentiality field on every target. The code sent stays beside the v3 code it maps to."""
    raw = s.get(n)
    if not raw:
        return
    for rep, part in d.repeats(raw):
        parts = [d.text(p) for p in part.split(d.message.component)]
        code = parts[0]
        if not code:
            d.lose(s, n, rep)
            continue
        name = parts[2] if len(parts) > 2 else ""
        coding = {"system": d.system(name or "HL7" + table), "code": code}
        if len(parts) > 1 and parts[1]:
            coding["display"] = parts[1]
        mapped = d.coded(table, code)
        for target in targets:
            if target is not None:
                if mapped is not None:
                    add_security(target, {"system": mapped[0], "code": mapped[1]})
                if mapped is None or mapped != (coding["system"], code):
                    add_security(target, coding)
