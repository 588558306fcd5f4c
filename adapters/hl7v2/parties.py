"""Who did it and where: XCN -> Practitioner, XON -> Organization, PL -> Location; always as a Reference.

Someone of whom only a number is known stays a logical reference: no resource that carries only identity.
"""

from __future__ import annotations

from typing import Any

from adapters.hl7v2.concepts import concept
from adapters.hl7v2.contacts import xad
from adapters.hl7v2.draft import Draft
from adapters.hl7v2.identifiers import BY_TYPE, CHECK_DIGIT, also, assigned_by, typed
from adapters.hl7v2.names import core, used, within, written
from adapters.hl7v2.reader import Segment
from hie.model import Resource


def practitioner(d: Draft, s: Segment, n: int, raw: str, rep: int = 0) -> dict[str, Any] | None:
    """One repetition of an XCN -> Reference(Practitioner)."""
    key = ("XCN", raw)
    found: dict[str, Any] | None = d.cache.get(key)
    if found is not None:
        if "reference" in found:
            d.source(s, d.resources[found["reference"]])
        for component in d.cache.get(("XCN lost", raw), ()):
            d.lose(s, n, rep, component)
        return dict(found)
    parts = raw.split(d.message.component)
    size = len(parts)
    before = len(d.lost)
    made: dict[str, Any] | None
    value = d.text(parts[0].partition(d.message.sub)[0])
    name = core(d, parts[1:7]) if size > 1 else {}
    identifier = _number(d, s, n, parts, rep, value) if value else None
    if size > 7:
        _rest(d, s, n, parts, rep, name, bool(value))
    if not name:
        if size == 1 and value and not any(c.isdigit() for c in value) and (" " in value or "," in value):
            made = {"display": value}  # a name typed where the number belongs
        else:
            made = {"type": "Practitioner", "identifier": identifier} if identifier else None
    else:
        if identifier:
            seed = (identifier.get("system") or d.scope, identifier["value"])
            resource = d.add("Practitioner", seed[0], seed[1])
        else:
            resource = d.add("Practitioner", d.scope, written(name))
        if identifier:
            merge(resource.setdefault("identifier", []), identifier)
        merge(resource.setdefault("name", []), name)
        d.source(s, resource)
        made = d.ref(resource)
    if made is not None:
        d.cache[key] = made
        if len(d.lost) > before:  # what this person's field cannot say it cannot say at the next place either
            places = list(d.lost)[before:]
            d.cache[("XCN lost", raw)] = [int(p.rpartition(".")[2]) for p in places if "." in p]
        return dict(made)
    return None


def merge(known: list[dict[str, Any]], new: dict[str, Any]) -> None:
    """Adds `new` unless one of `known` says at least as much; replaces one that says less."""
    for at, one in enumerate(known):
        if all(one.get(key) == value for key, value in new.items()):
            return
        if all(new.get(key) == value for key, value in one.items()):
            known[at] = new
            return
    known.append(new)


def _number(d: Draft, s: Segment, n: int, parts: list[str], rep: int, value: str) -> dict[str, Any]:
    size = len(parts)
    made: dict[str, Any] = {}
    code = d.text(parts[12]) if size > 12 else ""
    if code:
        made["type"] = typed(code)
    uri = namespace = ""
    if size > 8 and parts[8]:
        uri, namespace = d.authority(parts[8])
    if not uri:
        uri = BY_TYPE.get(code, "") if code == "NPI" else ""
    if not uri and size > 7 and d.text(parts[7]).upper() == "NPI":
        uri = BY_TYPE["NPI"]
    if uri:
        made["system"] = uri
    made["value"] = value
    if size > 10 and parts[10]:
        made["_value"] = {"extension": [{"url": CHECK_DIGIT, "valueString": d.text(parts[10])}]}
    if size > 13 and parts[13] and (issuer := assigned_by(d, parts[13], "")):
        made["assigner"] = issuer
    elif namespace and not uri.endswith(namespace) and namespace not in ("NPI", "SSA", "USSSA"):
        made["assigner"] = {"display": namespace}
    if size > 8 and d.message.sub in parts[8]:
        also(d, made, parts[8].split(d.message.sub)[1])
    return made


def _rest(d: Draft, s: Segment, n: int, parts: list[str], rep: int, name: dict[str, Any], has_value: bool) -> None:
    size = len(parts)
    if parts[7] and d.text(parts[7]).upper() != "NPI":
        d.lose(s, n, rep, 8)
    if not has_value:
        d.rest(s, n, rep, [*[""] * 8, *parts[8:9]], 8)
    if size > 9 and (kind := d.text(parts[9])):
        if name:
            used(d, kind, name)
        else:
            d.lose(s, n, rep, 10)
    for at in (11, 14, 15, 17, 21, 22):
        if at < size and parts[at] and d.text(parts[at]) and not (at == 14 and d.text(parts[at]) == "A"):
            d.lose(s, n, rep, at + 1)
    if size > 16 and name:
        span: dict[str, Any] = {}
        within(d, s, n, parts, rep, (16, 18, 19), span)
        if span:
            name["period"] = span
        if size > 20 and (degree := d.text(parts[20])) and degree not in name.get("suffix", ()):
            name.setdefault("suffix", []).append(degree)
        d.rest(s, n, rep, parts, 23)
    elif size > 16:
        d.rest(s, n, rep, parts, 16)


def practitioners(d: Draft, s: Segment, n: int, raw: str) -> list[dict[str, Any]]:
    """Every repetition, each person once: some senders repeat one person for each of their numbers."""
    found: list[dict[str, Any]] = []
    for rep, part in d.repeats(raw):
        one = practitioner(d, s, n, part, rep)
        if one and one not in found:
            found.append(one)
    return found


def organization(d: Draft, s: Segment, n: int, raw: str, rep: int = 0, address: str = "") -> dict[str, Any] | None:
    """One repetition of an XON (name, type, id ...) -> Reference(Organization); `address` is an XAD beside it."""
    parts = raw.split(d.message.component)
    size = len(parts)
    name = d.text(parts[0])
    value = (d.text(parts[9]) if size > 9 else "") or (d.text(parts[2]) if size > 2 else "")
    identifier: dict[str, Any] | None = None
    if value:
        identifier = {}
        if size > 6 and (code := d.text(parts[6])):
            identifier["type"] = typed(code)
        uri = namespace = ""
        if size > 5 and parts[5]:
            uri, namespace = d.authority(parts[5])
        if uri:
            identifier["system"] = uri
        elif size > 6 and d.text(parts[6]) == "NPI":
            identifier["system"] = BY_TYPE["NPI"]
        identifier["value"] = value
        if namespace and not uri.endswith(namespace):
            identifier["assigner"] = {"display": namespace}
        if size > 5 and d.message.sub in parts[5] and (not uri or uri.startswith("urn:hie:authority:")):
            also(d, identifier, parts[5].split(d.message.sub)[1])
        if size > 9 and parts[9] and parts[2] and parts[2] != parts[9]:
            d.lose(s, n, rep, 3)
    for at in (1, 3, 4, 7, 8):
        if (
            at < size
            and parts[at]
            and d.text(parts[at])
            and not (at == 8 and d.text(parts[at]) == "A")
            and not (at == 1 and d.text(parts[at]).upper() in ("L", "D", "LEGAL", "DISPLAY"))
        ):
            d.lose(s, n, rep, at + 1)
    if not value:
        for at in (5, 6):
            if at < size and parts[at] and d.text(parts[at]):
                d.lose(s, n, rep, at + 1)
    if not name:
        return {"type": "Organization", "identifier": identifier} if identifier else None
    seed = (identifier.get("system") or d.scope, identifier["value"]) if identifier else (d.scope, name)
    resource = d.add("Organization", *seed)
    named(resource, name)
    if identifier and identifier not in (known := resource.setdefault("identifier", [])):
        known.append(identifier)
    if address and (made := xad(d, s, n, address)) and made not in (known := resource.setdefault("address", [])):
        known.append(made)
    d.source(s, resource)
    return d.ref(resource)


def named(resource: Resource, name: str) -> None:
    """An organisation under one number may come with several names: the first is the name, others are aliases."""
    if resource.setdefault("name", name) != name and name not in (known := resource.setdefault("alias", [])):
        known.append(name)


_LEVELS = ((2, "bd"), (1, "ro"), (0, "wa"), (7, "lvl"), (6, "bu"))
"""PL component -> physical type, from the bed up to the building."""
_PHYSICAL = "http://terminology.hl7.org/CodeSystem/location-physical-type"


def location(d: Draft, s: Segment, n: int, raw: str, rep: int = 0) -> dict[str, Any] | None:
    """A PL -> Reference(Location): the innermost place, with what it is part of contained in it."""
    key = ("PL", raw)
    if key in d.cache:
        found: dict[str, Any] = d.cache[key]
        d.source(s, d.resources[found["reference"]])
        for component in d.cache.get(("PL lost", raw), ()):
            d.lose(s, n, rep, component)
        return dict(found)
    before = len(d.lost)
    parts = raw.split(d.message.component)
    parts += [""] * (11 - len(parts))
    chain: list[Resource] = []
    for at, physical in _LEVELS:
        first, _, more = parts[at].partition(d.message.sub)
        if more.strip(d.message.sub):
            d.lose(s, n, rep, at + 1)
        if name := d.text(first) or d.text(more.partition(d.message.sub)[0]):
            chain.append(
                {
                    "resourceType": "Location",
                    "name": name,
                    "physicalType": {"coding": [{"system": _PHYSICAL, "code": physical}]},
                }
            )
    uri, facility = d.authority(parts[3]) if parts[3] else ("", "")
    entity, _, assigner = parts[9].partition(d.message.sub)
    comprehensive = d.text(entity)
    description = d.text(parts[8])
    if not chain and not description and not comprehensive and not facility and not uri:
        d.rest(s, n, rep, parts, 0)
        return None
    seed = "^".join(d.text(part) for part in (parts[0], parts[1], parts[2], parts[6], parts[7], parts[8], parts[9]))
    resource = d.add("Location", uri or d.scope, seed or facility)
    inner = chain[0] if chain else {}
    for level, outer in enumerate(chain[1:], 1):
        outer["id"] = f"part{level}"
        resource.setdefault("contained", []).append(outer)
        (inner if level > 1 else resource)["partOf"] = {"reference": f"#part{level}"}
        inner = outer
    if chain:
        resource["name"] = chain[0]["name"]
        resource["physicalType"] = chain[0]["physicalType"]
    elif facility and not description:
        resource["name"] = facility
    if description:
        resource["description"] = description
    if not _organised(d, resource, uri, facility, parts[3]):
        d.lose(s, n, rep, 4)
    if comprehensive:
        identifier: dict[str, Any] = {"value": comprehensive}
        for at, raw_authority in ((10, assigner), (11, parts[10])):  # PL-10.2 on, else PL-11
            if raw_authority and (assigned := d.authority(raw_authority)[0]):
                if identifier.setdefault("system", assigned) != assigned:
                    d.lose(s, n, rep, at)
                else:
                    also(d, identifier, [*raw_authority.split(d.message.sub), ""][1])
        resource["identifier"] = [identifier]
    elif parts[10]:
        d.lose(s, n, rep, 11)
    if status := d.text(parts[4]):
        resource["operationalStatus"] = {"code": status}
    if parts[5] and (kind := concept(d, s, n, parts[5], rep, "0305")):
        resource["type"] = [kind]
    d.rest(s, n, rep, parts, 11)
    d.source(s, resource)
    made = d.ref(resource)
    d.cache[key] = made
    if len(d.lost) > before:
        d.cache[("PL lost", raw)] = [int(p.rpartition(".")[2]) for p in list(d.lost)[before:] if "." in p]
    return dict(made)


def _organised(d: Draft, resource: Resource, uri: str, facility: str, raw: str) -> bool:
    """PL-4, the facility, manages the place. False where the same place has another one already."""
    managing: dict[str, Any] = {}
    if uri and not (facility and uri.startswith("urn:hie:authority:")):
        managing["identifier"] = {"system": "urn:ietf:rfc:3986", "value": uri}
    else:
        pieces = [d.text(piece) for piece in raw.split(d.message.sub)]
        if len(pieces) > 1 and pieces[1]:  # a universal id that is none of a kind that has a URI
            managing["identifier"] = {"value": pieces[1]}
    if facility:
        managing["display"] = facility
    if managing:
        managing = {"type": "Organization", **managing}
    return not managing or bool(resource.setdefault("managingOrganization", managing) == managing)
