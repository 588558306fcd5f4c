"""The header of the document -> Composition: type, times, authors, custodian, signatures, versions, confidentiality.

Sources: C-CDA R2.1 US Realm Header; FHIR R4 Composition; C-CDA on FHIR (us-ccda) header extensions.
"""

from __future__ import annotations

from adapters.ccda.absence import absent
from adapters.ccda.coded import code_of, concept, fixed, required
from adapters.ccda.draft import Draft, put, refer, start
from adapters.ccda.identifiers import identifier, identifiers, keyed
from adapters.ccda.narrative import text_of
from adapters.ccda.people import assigned, organisation
from adapters.ccda.security import CONFIDENTIALITY, level
from adapters.ccda.times import period, put_time, put_when
from adapters.ccda.tree import Node
from hie.fhir.dates import fhir_time
from hie.model import Resource

_PARTICIPATION = "http://terminology.hl7.org/CodeSystem/v3-ParticipationType"
_RELATES = {"RPLC": "replaces", "APND": "appends", "XFRM": "transforms"}
_STATUS = {
    "active": "preliminary",
    "completed": "final",
    "aborted": "entered-in-error",
    "nullified": "entered-in-error",
}


def composition(d: Draft, root: Node) -> Resource:
    """The Composition without its sections, not yet filed."""
    made = start("Composition")
    number, status = root.kid("id"), root.kid("sdtc:statusCode")
    labels = level(d, root.kid("confidentialityCode"))
    d.labels = labels
    if labels:
        made["meta"] = {"security": labels}
    if language := code_of(root.kid("languageCode")):
        made["language"] = language
        _use(root.kid("languageCode"))
    if number is not None and (one := identifier(d, number)):
        made["identifier"] = one
    _version(d, made, root)
    if status is not None:
        status.used = True
    made["status"] = _STATUS.get(code_of(status), "final")
    made["type"] = required(d, root.kid("code"))
    made["subject"] = refer(d.patient)
    _date(d, made, root)
    made["author"] = _authors(d, root, made)
    title = text_of(d, root.kid("title"))
    if shown := title or _title(made["type"]):
        made["title"] = shown
    else:
        made["_title"] = absent("UNK")
    stated = next((each["code"] for each in labels if each.get("system") == CONFIDENTIALITY), "")
    put(made, confidentiality=stated)
    put(made, attester=_attesters(d, root), custodian=_custodian(d, root), relatesTo=_relations(d, root))
    return made


def _use(node: Node | None) -> None:
    if node is not None:
        node.used = True


def _title(kind: Resource) -> str:
    if kind.get("text"):
        return str(kind["text"])
    for each in kind.get("coding", ()):
        return str(each.get("display") or each["code"])
    return ""


def _version(d: Draft, made: Resource, root: Node) -> None:
    version = root.kid("versionNumber")
    if version is not None and version.get("value"):
        version.used = True
        made.setdefault("extension", []).append(
            {
                "url": "http://hl7.org/fhir/StructureDefinition/composition-clinicaldocument-versionNumber",
                "valueString": version.get("value"),
            }
        )


def _date(d: Draft, made: Resource, root: Node) -> None:
    if not put_time(d, made, "date", root.kid("effectiveTime")):
        made["_date"] = absent("UNK")


def _authors(d: Draft, root: Node, made: Resource) -> list[Resource]:
    found: list[Resource] = []
    for node in root.all("author"):
        who = assigned(d, node.kid("assignedAuthor"))
        if who is None:
            continue
        node.used = True
        when = node.kid("time")
        if when is not None and (time := fhir_time(when.get("value").strip(), d.context.timezone)):
            # the time of the document; any other one goes into a Provenance
            when.used = time.value == made.get("date")
        if who not in found:
            found.append(who)
    if not found:
        # R4 wants an author; some senders name none: the custodian stands for it only as an absence
        return [absent("UNK")]
    return found


def _attesters(d: Draft, root: Node) -> list[Resource]:
    made = []
    for tag, mode in (("legalAuthenticator", "legal"), ("authenticator", "professional")):
        for node in root.all(tag):
            node.used = True
            one: Resource = {"mode": mode}
            put_time(d, one, "time", node.kid("time"))
            put(one, party=assigned(d, node.kid("assignedEntity")))
            signature = node.kid("signatureCode")
            if signature is not None:
                # S: signed, which is what an attester did
                signature.used = code_of(signature) == "S"
            if one.keys() - {"mode"}:
                made.append(one)
    return made


def _custodian(d: Draft, root: Node) -> Resource | None:
    node = root.down("custodian", "assignedCustodian", "representedCustodianOrganization")
    return organisation(d, node)


def _relations(d: Draft, root: Node) -> list[Resource]:
    made = []
    for node in root.all("relatedDocument"):
        code = _RELATES.get(node.get("typeCode"))
        parent = node.kid("parentDocument")
        if code is None or parent is None:
            continue
        node.used = parent.used = True
        for each in parent.all("id"):
            if one := identifier(d, each):
                made.append({"code": code, "targetIdentifier": one})
    return made


def events(d: Draft, root: Node) -> list[Resource]:
    """documentationOf/serviceEvent: what the document is about, when and by whom."""
    made = []
    for node in root.all("documentationOf"):
        event = node.kid("serviceEvent")
        if event is None:
            continue
        node.used = event.used = True
        one: Resource = {}
        about = [{"identifier": each} for each in keyed(identifiers(d, event))]
        if code := concept(d, event.kid("code")):
            one["code"] = [code]
        elif (kind := event.get("classCode")) and kind != "ACT":
            one["code"] = [{"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v3-ActClass", "code": kind}]}]
        probe: Resource = {}
        if put_when(d, probe, "x", event.kid("effectiveTime")):
            one["period"] = probe.get("xPeriod") or {"start": probe["xDateTime"], "end": probe["xDateTime"]}
        team = _care_team(d, event, one)
        put(one, detail=([refer(team)] if team else []) + about)
        if one:
            made.append(one)
    return made


def _care_team(d: Draft, event: Node, about: Resource) -> str:
    """The performers of the service event: who cared for the patient, in which function, when."""
    members: list[Resource] = []
    for kid in event.all("performer"):
        kid.used = True
        who = assigned(d, kid.kid("assignedEntity"))
        if who is None:
            continue
        function = concept(d, kid.kid("functionCode"))
        one: Resource = {"role": [function]} if function else {}
        if not function and kid.get("typeCode") in ("PPRF", "SPRF"):
            one["role"] = [fixed(_PARTICIPATION, kid.get("typeCode"))]
        one["member"] = who
        put(one, period=period(d, kid.kid("time")))
        if one not in members:
            members.append(one)
    if not members:
        return ""
    made = start("CareTeam")
    made["subject"] = refer(d.patient)
    put(made, period=about.get("period"), participant=members)
    return d.add(made, event, keyed(identifiers(d, event)) or None)
