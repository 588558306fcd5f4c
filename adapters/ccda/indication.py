"""Indications of an act: reasons as codes where they are only codes, as Conditions where they have a time of their own.

Source: C-CDA R2.1 Indication; C-CDA on FHIR.
"""

from __future__ import annotations

from adapters.ccda.coded import concept
from adapters.ccda.draft import Draft
from adapters.ccda.problem import reason
from adapters.ccda.statement import Section, is_a, nested, status
from adapters.ccda.tree import Node
from hie.model import Resource


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
        status(inner)
        if (code := inner.kid("code")) is not None:
            code.used = True
        for kid in inner.all("id"):
            kid.used = True
        if (shown := concept(d, inner.kid("value"))) or (
            (code := inner.kid("code")) is not None and inner.kid("value") is None and (shown := concept(d, code))
        ):
            codes.append(shown)
    return codes, conditions
