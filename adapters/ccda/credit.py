"""Authors, informants and performers that their statement's resource has no element for -> Provenance, one for each person and time.

What an element of the resource takes (recorder, performer, issued) is not said again. Source: C-CDA on FHIR, participations
(author to Provenance.agent, author.time to Provenance.recorded).
"""

from __future__ import annotations

from adapters.ccda.absence import absent
from adapters.ccda.coded import fixed
from adapters.ccda.draft import Draft, put, refer, start
from adapters.ccda.people import assigned
from adapters.ccda.times import put_time
from adapters.ccda.tree import Node
from hie.model import Resource

_AGENT = "http://terminology.hl7.org/CodeSystem/provenance-participant-type"
_KINDS = {"author": "author", "informant": "informant", "dataEnterer": "enterer", "performer": "performer"}
_SIGNING = {"VRF": "verifier", "LA": "legal"}
"""Participations of those who stand for what was said: verifier, legal authenticator."""
_TAGS = frozenset({*_KINDS, "participant"})
_ROLES = ("assignedAuthor", "assignedEntity", "relatedEntity", "participantRole")


def credits(d: Draft) -> None:
    """Writes the Provenance of all statements, once everything else is mapped and has taken what it has room for."""
    written: dict[tuple[str, str, str, str], Resource] = {}
    places: dict[tuple[str, str, str, str], Node] = {}
    for node, target in d.authored:
        if target not in d.resources:
            continue
        for kid in node.kids:
            if kid.tag in _TAGS and _kind(kid):
                _credit(d, kid, target, written, places)
    for key, made in written.items():
        d.add(made, places[key])


def _credit(
    d: Draft,
    node: Node,
    target: str,
    written: dict[tuple[str, str, str, str], Resource],
    places: dict[tuple[str, str, str, str], Node],
) -> None:
    when = node.kid("time")
    untold = when is not None and not when.used and bool(when.get("value"))
    if node.used and not untold:
        return
    who = assigned(d, next((kid for kid in node.kids if kid.tag in _ROLES), None))
    told: Resource = {}
    put_time(d, told, "time", when)
    if not who and not told:
        return
    node.used = True
    who = who or absent()
    moment = told.get("time", "")
    key = (
        _kind(node),
        str(who.get("reference") or who.get("identifier") or ""),
        moment,
        str(told.get("_time", "")),
    )
    made = written.get(key)
    if made is None:
        made = written[key] = start("Provenance")
        places[key] = node
        made["target"] = []
        exact = len(moment) > 10
        if moment and not exact:
            put(made, occurredDateTime=moment, _occurredDateTime=told.get("_time"))
        # R4 demands the instant of recording: a day is none
        put(made, recorded=moment if exact else None, _recorded=told.get("_time") if exact else absent())
        made["agent"] = [{"type": fixed(_AGENT, _kind(node)), "who": who}]
    if refer(target) not in made["target"]:
        made["target"].append(refer(target))


def _kind(node: Node) -> str:
    """What somebody did for a statement, "" where another element tells of it."""
    return _SIGNING.get(node.get("typeCode"), "") if node.tag == "participant" else _KINDS.get(node.tag, "")
