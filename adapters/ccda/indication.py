"""Indications of an act: reasons as codes where they are only codes, as Conditions where they have a time of their own.

Source: C-CDA R2.1 Indication; C-CDA on FHIR.
"""

from __future__ import annotations

from adapters.ccda.coded import code_of, concept
from adapters.ccda.draft import Draft
from adapters.ccda.problem import reason
from adapters.ccda.statement import Section, is_a, nested, settled
from adapters.ccda.tree import Node
from hie.model import Resource

_KINDS = frozenset({"", "ASSERTION", "77301-0", "75323-6", "29308-4"})
"""Codes of an indication that say no more than that it is a reason or a condition."""


def reasons_of(d: Draft, node: Node, section: Section) -> tuple[list[Resource], list[str]]:
    """Indications: as codes where they are only codes, as Conditions where they have a time of their own."""
    codes: list[Resource] = []
    conditions: list[str] = []
    for link, inner in list(nested(node)):
        if inner.tag != "observation" or not (
            is_a(inner, "19", "2.16.840.1.113883.10.20.1.28") or link.get("typeCode") == "RSON"
        ):
            continue
        link.used = inner.used = True
        when = inner.kid("effectiveTime")
        dated = when is not None and any(each.get("value") for each in when.walk())
        if dated and inner.kid("value") is not None:
            if made := reason(d, inner, section):
                conditions.append(made)
            continue
        settled(inner)
        if (code := inner.kid("code")) is not None:
            code.used = code_of(code) in _KINDS
        if (shown := concept(d, inner.kid("value"))) or (
            (code := inner.kid("code")) is not None and inner.kid("value") is None and (shown := concept(d, code))
        ):
            codes.append(shown)
    return codes, conditions
