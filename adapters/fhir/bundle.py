"""A view as a FHIR R4 transaction Bundle that may be posted twice: every entry is a PUT by a deterministic id.

The bundle says what must travel along: the highest confidentiality, the purpose of use, obligations (refrain code
NORDSCLCD with the text to be displayed) and the consent it rests on.
Sources: FHIR R4 "Bundle" and "Security Labels", HL7 DS4P 1.0.0, v3-Confidentiality, v3-ActReason, 42 CFR 2.32.
"""

from __future__ import annotations

import re
from typing import Any

import orjson

from hie.errors import PermanentRefusal
from hie.fhir import digits
from hie.fhir.ids import resource_id
from hie.fhir.provenance import ABSENT, render
from hie.model import Resource, Source, SubscriberContext, View

ENTERPRISE_ID = "urn:hie:enterprise-id"
DELIVERY_KEY = "urn:hie:delivery-key"
_THO = "http://terminology.hl7.org/CodeSystem/"
_DS4P = "http://hl7.org/fhir/uv/security-label-ds4p/StructureDefinition/"
_CONFIDENTIALITY = _THO + "v3-Confidentiality"
_ORDER = "ULMNRV"
_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\Z")
_ORDINAL = re.compile(r"\[\d+\]| line \d+")


def encode(view: View, context: SubscriberContext) -> bytes:
    """The bundle as canonical JSON (sorted keys): the same view gives the same bytes.

    `context.options["provenance"]` false leaves the Provenance of each place out. Raises PermanentRefusal
    `bundle-empty` where the view has no resource.
    """
    if not view.resources:
        raise PermanentRefusal("the view holds no resource", code="bundle-empty")
    resources = _once([_identified(r, view) for r in view.resources])
    if context.options.get("provenance", True):
        resources += _provenance(view, resources, context.reveal_redaction)
    if view.obligations or view.consent:
        resources.append(_disclosure(view, context, resources))
    bundle: Resource = {
        "resourceType": "Bundle",
        "id": resource_id("hie", "Bundle", context.key),
        "identifier": {"system": DELIVERY_KEY, "value": context.key},
        "meta": _meta(view, context, resources),
        "type": "transaction",
        "entry": [_entry(resource) for resource in resources],
    }
    return digits.dumps(bundle, orjson.OPT_SORT_KEYS)


def _once(resources: list[Resource]) -> list[Resource]:
    """A transaction that names one id twice is refused: the last of several wins, at the place of the first."""
    return list({(r["resourceType"], r["id"]): r for r in resources}.values())


def _identified(resource: Resource, view: View) -> Resource:
    """The subject of the view with the enterprise id beside the senders' identifiers."""
    if not view.enterprise_id or f"{resource['resourceType']}/{resource['id']}" != view.patient:
        return resource
    others = [i for i in resource.get("identifier", ()) if i.get("system") != ENTERPRISE_ID]
    return {**resource, "identifier": [*others, {"system": ENTERPRISE_ID, "value": view.enterprise_id}]}


def _entry(resource: Resource) -> Resource:
    path = f"{resource['resourceType']}/{resource['id']}"
    full = f"urn:uuid:{resource['id']}" if _UUID.match(resource["id"]) else f"urn:hie:fhir:{path.replace('/', ':')}"
    return {"fullUrl": full, "resource": resource, "request": {"method": "PUT", "url": path}}


def _meta(view: View, context: SubscriberContext, resources: list[Resource]) -> dict[str, Any]:
    levels = [
        label["code"]
        for resource in resources
        for label in resource.get("meta", {}).get("security", ())
        if label.get("system") == _CONFIDENTIALITY and label.get("code") in _ORDER
    ]
    security: list[Resource] = [{"system": _CONFIDENTIALITY, "code": max(levels, key=_ORDER.index, default="N")}]
    security.append({"system": _THO + "v3-ActReason", "code": view.purpose})
    for text in view.obligations:
        security.append(
            {
                "extension": [{"url": _DS4P + "extension-display-sec-label", "valueString": text}],
                "system": _THO + "v3-ActCode",
                "code": "NORDSCLCD",
                "display": "no redisclosure without consent directive",
            }
        )
    if context.reveal_redaction and view.removed:
        security.append({"system": _THO + "v3-ObservationValue", "code": "REDACTED"})
    return {"security": security}


def _provenance(view: View, resources: list[Resource], reveal: bool) -> list[Resource]:
    """Provenance of what is in the bundle. Ordinals are left out unless redaction may be shown: a gap between `OBX[6]`
    and `OBX[8]` tells that something is missing. The message's hash is left out too, since it would confirm a guess."""
    present = {f"{r['resourceType']}/{r['id']}" for r in resources}
    sources = tuple(
        Source(reference, where if reveal else _ORDINAL.sub("", where))
        for reference, where in view.sources
        if reference in present
    )
    made = render(sources, view.message_id, view.sender, "", view.authored)
    for provenance in made:
        provenance["entity"][0]["what"]["identifier"] = {"system": "urn:hie:message", "value": view.message_id}
        if not reveal:
            # without ordinals one place stands for several, and its id must not collide with another view's
            provenance["id"] = resource_id(view.message_id, "Provenance", view.patient or "", *_targets(provenance))
    return made


def _targets(provenance: Resource) -> list[str]:
    return [target["reference"] for target in provenance["target"]]


def _disclosure(view: View, context: SubscriberContext, resources: list[Resource]) -> Resource:
    """What this disclosure rests on: purpose and consent, about everything in the bundle."""
    made: Resource = {
        "resourceType": "Provenance",
        "id": resource_id(context.key, "Provenance", "disclosure"),
        "target": [
            {"reference": f"{r['resourceType']}/{r['id']}"} for r in resources if r["resourceType"] != "Provenance"
        ],
        "activity": {"coding": [{"system": _THO + "iso-21089-lifecycle", "code": "disclose"}]},
        "reason": [{"coding": [{"system": _THO + "v3-ActReason", "code": view.purpose}]}],
        "agent": [{"who": {"display": view.sender or "unknown sender"}}],
    }
    if view.authored:
        made["recorded"] = view.authored
    else:
        made["_recorded"] = {"extension": [{"url": ABSENT, "valueCode": "unknown"}]}
    if view.consent:
        consent = {"type": "Consent", "identifier": {"system": "urn:hie:consent", "value": view.consent}}
        made["entity"] = [{"role": "source", "what": consent}]
    return made
