"""Authors, performers, informants and their organisations -> Practitioner, PractitionerRole, Organization, Device,
RelatedPerson, each written once.

An id alone (entries repeat their author that way) finds the full entry of the header; an id that nothing explains stays a
logical reference, because a resource that only holds an id says nothing.
"""

from __future__ import annotations

from adapters.ccda.coded import concept, first_text, fixed
from adapters.ccda.contact import addresses, display, names, organisation_name, telecoms
from adapters.ccda.draft import Draft, joined, put, refer, start
from adapters.ccda.identifiers import alias, identifiers, keyed
from adapters.ccda.tree import Node
from hie.model import Resource

NUCC = "http://nucc.org/provider-taxonomy"
ROLE_CLASS = "http://terminology.hl7.org/CodeSystem/v3-RoleClass"
_STANDINGS = frozenset({"NOK", "ECON", "CAREGIVER", "GUARD", "GUAR", "AGNT", "CON", "POLHOLD", "COVPTY", "SPNSR"})
"""Role classes that say what somebody is to the patient; PRS leaves that to the code."""
_PROFESSIONAL = frozenset({"", "ASSIGNED", "LIC", "NOT", "PROV", "PHYS", "NURPRAC", "NURS", "PA", "QUAL", "HCE"})
_PERSONS = ("assignedPerson", "associatedPerson", "relatedPerson", "informationRecipient", "playingEntity", "subject")
_ROLES = frozenset({"assignedAuthor", "assignedEntity", "relatedEntity", "associatedEntity", "intendedRecipient"})
_ORGANISATIONS = (
    "representedOrganization",
    "scopingOrganization",
    "receivedOrganization",
    "wholeOrganization",
    "providerOrganization",
)
_WITH_IDS = frozenset({*_ORGANISATIONS, "representedCustodianOrganization", "serviceProviderOrganization"})


def assigned(d: Draft, role: Node | None, alone: bool = False) -> Resource | None:
    """Reference to who an assignedAuthor, assignedEntity, associatedEntity, relatedEntity ... is; None if nobody is said."""
    if role is None:
        return None
    known = d.made.get(id(role))
    if known:
        return refer(known[0], known[1])
    role.used = True
    person = next((kid for kid in role.kids if kid.tag in _PERSONS), None)
    keys = alias(role)
    ids = identifiers(d, role)
    named = names(d, person) if person is not None else []
    if person is not None:
        person.used = True
    device = role.kid("assignedAuthoringDevice")
    if not named and device is None:
        # an id alone, or with an organisation
        for key in keys:
            if key in d.people and not _elsewhere(d, role, d.people[key].partition("\x1f")[0]):
                found = refer(*d.people[key].split("\x1f", 1))
                d.made[id(role)] = (found["reference"], found.get("display", ""))
                _complete(d, role, found)
                return found
    if device is not None:
        made = _device(d, role, device, ids)
    elif named:
        made = _person(d, role, person, named, ids)
    else:
        found_role = _role(d, role, ids, alone)
        if found_role is None:
            return None
        if "reference" not in found_role:
            return found_role
        made = found_role
    for key in keys:
        # an organisation's or a device's own id never stands for somebody else, a vendor's constant root may
        d.people.setdefault(key, f"{made['reference']}\x1f{made.get('display', '')}")
    d.made[id(role)] = (made["reference"], made.get("display", ""))
    return made


def _person(d: Draft, role: Node, person: Node | None, named: list[Resource], ids: list[Resource]) -> Resource:
    related = _related(role)
    made = start("RelatedPerson" if related else "Practitioner")
    code = concept(d, role.kid("code"))
    put(made, identifier=ids)
    if related:
        made["patient"] = refer(d.patient)
        standing = fixed(ROLE_CLASS, kind) if (kind := role.get("classCode")) in _STANDINGS else None
        put(made, relationship=[each for each in (code, standing) if each])
    shown = display(named[0])
    label = f"person|{shown.lower()}" if not related and "family" in named[0] and "given" in named[0] else ""
    if label and not keyed(ids) and (known_as := d.people.get(label)):
        # a clinician who was named with an id before, now by the same name alone
        same = refer(*known_as.split("\x1f", 1))
        _complete(d, role, same)
        return same
    where, reach = addresses(d, role), telecoms(d, role)
    put(made, name=named, telecom=reach, address=where)
    reference = d.add(made, role, keyed(ids) or None)
    if label and keyed(ids):
        d.people.setdefault(label, f"{reference}\x1f{shown}")
    if related:
        _organisations(d, role)
    else:
        _job(d, role, refer(reference, shown), code)
    return refer(reference, shown)


def _elsewhere(d: Draft, role: Node, reference: str) -> bool:
    """Whether a role with a known id names another organisation than the one that is known: ids are reused."""
    known = d.resources.get(reference, {})
    if known.get("resourceType") not in ("PractitionerRole", "Organization"):
        return False
    behind = _organisations(d, role)
    if not behind:
        return False
    mine = known.get("organization", {}) if known["resourceType"] == "PractitionerRole" else {"reference": reference}
    return bool(mine) and mine.get("reference") != behind.get("reference")


def _related(role: Node) -> bool:
    """Whether a role is played by somebody on the patient's side, not by one who cares for patients by profession."""
    kind = role.get("classCode")
    if role.tag == "associatedEntity":
        return kind not in _PROFESSIONAL
    return role.tag == "relatedEntity" or (role.tag == "participantRole" and (kind == "PRS" or kind in _STANDINGS))


def _job(d: Draft, role: Node, who: Resource, code: Resource | None) -> None:
    """The PractitionerRole that joins a clinician, an organisation and a specialty."""
    organisation = _organisations(d, role)
    specialty = concept(d, role.kid("sdtc:specialty"))
    if not (code or organisation or specialty):
        return
    job = start("PractitionerRole")
    job["practitioner"] = who
    put(job, organization=organisation)
    nucc = code is not None and any(c.get("system") == NUCC for c in code.get("coding", ()))
    if code and not nucc:
        job["code"] = [code]
    put(job, specialty=[each for each in (code if nucc else None, specialty) if each])
    d.add(job, role)


def _role(d: Draft, role: Node, ids: list[Resource], alone: bool) -> Resource | None:
    """A role without a person: its organisation, a PractitionerRole where it says more, an identifier where only that
    came. `alone`: the element that asks takes organisations only."""
    organisation = _organisations(d, role)
    code = concept(d, role.kid("code"))
    reach = not organisation and any(kid.tag in ("addr", "telecom") and not kid.null for kid in role.kids)
    if alone or (not code and not (keyed(ids) and (organisation or reach))):
        if organisation:
            _complete(d, role, organisation)
            return organisation
        return {"identifier": keyed(ids)[0]} if keyed(ids) else None
    made = start("PractitionerRole")
    put(made, identifier=keyed(ids), organization=organisation)
    nucc = code is not None and any(c.get("system") == NUCC for c in code.get("coding", ()))
    if code:
        made["specialty" if nucc else "code"] = [code]
    put(made, telecom=telecoms(d, role))
    if organisation:
        _complete(d, role, organisation)
    else:
        _stands(d, role, made)
    shown = str((organisation or {}).get("display", "")) or first_text(code)
    return refer(d.add(made, role, keyed(ids) or None), shown)


def _complete(d: Draft, role: Node, who: Resource) -> None:
    """What a further mention of somebody adds: address, telecom, specialty, organisation."""
    known = d.resources.get(str(who.get("reference", "")))
    if known is None:
        return
    kind = known["resourceType"]
    if kind == "Practitioner":
        _job(d, role, who, concept(d, role.kid("code")))
    if kind == "PractitionerRole":
        if code := concept(d, role.kid("code")):
            key = "specialty" if any(c.get("system") == NUCC for c in code.get("coding", ())) else "code"
            if code not in known.get(key, ()):
                known[key] = [*known.get(key, []), code]
        behind = _organisations(d, role)
        if behind and "organization" not in known:
            known["organization"] = behind
        if owner := known.get("organization"):
            _complete(d, role, owner)
        else:
            _stands(d, role, known)
    if kind in ("Practitioner", "RelatedPerson"):
        more = [each for each in keyed(identifiers(d, role)) if each not in known.get("identifier", ())]
        if more:
            known["identifier"] = known.get("identifier", []) + more
    if kind in ("Practitioner", "Organization", "RelatedPerson", "PractitionerRole"):
        where = [] if kind == "PractitionerRole" else addresses(d, role)
        for key, found in (("telecom", telecoms(d, role)), ("address", where)):
            if found:
                known[key] = joined(known.get(key, []), found)
    if kind == "Organization":
        spoken = concept(d, role.kid("code"))
        if spoken and spoken not in known.get("type", []):
            known["type"] = [*known.get("type", []), spoken]


def _stands(d: Draft, role: Node, made: Resource) -> None:
    """The address of a role that nobody plays and no organisation gives: it has one through its location only."""
    for where in addresses(d, role):
        stands = start("Location")
        stands["address"] = where
        one = refer(d.add(stands, role))
        if one not in made.get("location", ()):
            made["location"] = [*made.get("location", []), one]


def _device(d: Draft, role: Node, device: Node, ids: list[Resource]) -> Resource:
    device.used = True
    made = start("Device")
    put(made, identifier=ids)
    label = []
    for tag, kind in (("manufacturerModelName", "model-name"), ("softwareName", "user-friendly-name")):
        node = device.kid(tag)
        if node is not None and (text := organisation_name(node) or node.get("displayName")):
            label.append({"name": text, "type": kind})
    put(made, deviceName=label, type=concept(d, device.kid("code")))
    put(made, owner=_organisations(d, role), contact=telecoms(d, role))
    if where := addresses(d, role):
        stands = start("Location")
        stands["address"] = where[0]
        made["location"] = refer(d.add(stands, role))
    shown = label[0]["name"] if label else ""
    return refer(d.add(made, role, keyed(ids) or None), shown)


def _organisations(d: Draft, role: Node) -> Resource | None:
    for kid in role.kids:
        if kid.tag in _ORGANISATIONS:
            return organisation(d, kid)
    return None


def organisation(d: Draft, node: Node | None) -> Resource | None:
    """Reference to an organisation with a name; a logical reference where there is only an id; None for nothing."""
    if node is None:
        return None
    known = d.made.get(id(node))
    if known:
        return refer(known[0], known[1])
    node.used = True
    ids = identifiers(d, node)
    keys = alias(node)
    title = next((text for kid in node.all("name") if (text := organisation_name(kid))), "")
    if title and not keys and (known_as := d.people.get(f"name|{title.lower()}")):
        # named again without its id: the same one, unless it stands somewhere else
        same = refer(*known_as.split("\x1f", 1))
        have = d.resources.get(same["reference"], {}).get("address", ())
        if not have or all(each in have for each in addresses(d, node)):
            _complete(d, node, same)
            known_one = d.resources.get(same["reference"], {})
            put(known_one, identifier=joined(known_one.get("identifier", []), keyed(ids)))
            return same
    if not title:
        for key in keys:
            if key in d.people:
                return refer(*d.people[key].split("\x1f", 1))
        where, reach = addresses(d, node), telecoms(d, node)
        if not (where or reach):
            return {"identifier": keyed(ids)[0]} if keyed(ids) else None
    made = start("Organization")
    put(made, identifier=ids)
    kind = concept(d, node.kid("standardIndustryClassCode"))
    put(made, type=[kind] if kind else None, name=title, telecom=telecoms(d, node), address=addresses(d, node))
    whole = node.down("asOrganizationPartOf", "wholeOrganization")
    put(made, partOf=organisation(d, whole))
    reference = d.add(made, node, keyed(ids) or None)
    for key in keys:
        d.people.setdefault(key, f"{reference}\x1f{title}")
    if title:
        d.people.setdefault(f"name|{title.lower()}", f"{reference}\x1f{title}")
    d.made[id(node)] = (reference, title)
    return refer(reference, title)


def introduce(d: Draft, root: Node) -> None:
    """Writes everybody whom the header names, so that an id alone finds them wherever in the document it stands."""
    header = [part for part in root.kids if part.tag != "component"]
    for node in (node for part in header for node in part.walk()):
        if node.tag in _WITH_IDS and alias(node) and node.kid("name") is not None:
            organisation(d, node)
    named = [
        node
        for part in header
        if part.tag != "recordTarget"
        for node in part.walk()
        if node.tag in _ROLES and any(kid.tag in _PERSONS and kid.kid("name") is not None for kid in node.kids)
    ]
    # those with an id first: who is named again without one is the same
    for node in sorted(named, key=lambda each: not alias(each)):
        assigned(d, node)


def performers(d: Draft, node: Node, tag: str = "performer") -> list[Resource]:
    """References to the performers of a statement."""
    made = []
    for kid in node.all(tag):
        kid.used = True
        if (found := assigned(d, kid.kid("assignedEntity") or kid.kid("assignedAuthor"))) and found not in made:
            made.append(found)
    return made


def author(d: Draft, node: Node) -> tuple[Resource | None, Node | None]:
    """Reference to the author of a statement, and the node with the time of authoring."""
    for kid in node.all("author"):
        kid.used = True
        if found := assigned(d, kid.kid("assignedAuthor")):
            return found, kid.kid("time")
        if (when := kid.kid("time")) is not None and when.get("value"):
            return None, when
    return None, None


def writers(d: Draft, node: Node) -> list[Resource]:
    """References to all authors of a statement."""
    made = []
    for kid in node.all("author"):
        if found := assigned(d, kid.kid("assignedAuthor")):
            kid.used = True
            if found not in made:
                made.append(found)
    return made


def uncredited(d: Draft, node: Node, tag: str = "author", kept: Resource | None = None) -> None:
    """Gives back the authors or performers other than `kept`, for whom the resource of the statement had no room: a
    Provenance tells of them."""
    for kid in node.all(tag):
        if kept is None or assigned(d, kid.kid("assignedEntity") or kid.kid("assignedAuthor")) != kept:
            kid.used = False
