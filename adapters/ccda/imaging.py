"""DICOM object catalog -> ImagingStudy: the UIDs under which an archive holds the pixels, and its links to them.

Source: C-CDA R2.1 Diagnostic Imaging Report (Study Act, Series Act, SOP Instance Observation); FHIR R4 ImagingStudy.
"""

from __future__ import annotations

from adapters.ccda.absence import absent
from adapters.ccda.coded import code_of, coding
from adapters.ccda.draft import Draft, put, refer, start
from adapters.ccda.identifiers import URI_SYSTEM, identifiers, keyed
from adapters.ccda.media import attachment
from adapters.ccda.narrative import text_of
from adapters.ccda.statement import Section, finish, nested, rest, settled, status
from adapters.ccda.times import put_time
from adapters.ccda.tree import Node
from hie.codes.systems import is_oid
from hie.model import Resource

STUDY, SERIES = "113014", "113015"
"""DICOM codes of the acts that stand for a study and a series."""
_UID = "urn:dicom:uid"
_MODALITY = "121139"


def study(d: Draft, node: Node, section: Section) -> list[str]:
    """A study with its series and instances; each link to an image becomes a DocumentReference."""
    uid = _uid(node)
    if not uid:
        return rest(d, node, section)
    node.used = True
    _named(node)
    made = start("ImagingStudy")
    made["identifier"] = ids = [{"system": _UID, "value": f"urn:oid:{uid}"}]
    made["status"] = "cancelled" if status(node) in ("aborted", "cancelled") else "unknown"
    made["subject"] = refer(d.patient)
    put_time(d, made, "started", node.kid("effectiveTime"))
    put(made, description=text_of(d, node.kid("text")))
    linked: list[Resource] = []
    series = []
    for link, inner in list(nested(node)):
        if code_of(inner.kid("code")) == SERIES and _uid(inner):
            link.used = True
            series.append(_series(d, inner, section, linked))
    put(made, series=series)
    section.entries += rest(d, node, section)
    reference = finish(d, node, made, ids)
    for each in linked:
        each["context"] = {"related": [refer(reference)]}
    return [reference]


def _series(d: Draft, node: Node, section: Section, linked: list[Resource]) -> Resource:
    node.used = True
    code = node.kid("code")
    _named(node)
    made: Resource = {"uid": _uid(node), "modality": _modality(d, code) or absent()}
    settled(node)
    put_time(d, made, "started", node.kid("effectiveTime"))
    put(made, description=text_of(d, node.kid("text")))
    instances = []
    for link, inner in list(nested(node)):
        if inner.tag == "observation" and _uid(inner):
            link.used = True
            instances.append(_instance(d, inner, section, linked))
    put(made, instance=instances)
    section.entries += rest(d, node, section)
    return made


def _instance(d: Draft, node: Node, section: Section, linked: list[Resource]) -> Resource:
    node.used = True
    _named(node)
    settled(node)
    kind = node.kid("code")
    sent = coding(d, kind) if kind is not None else None
    made: Resource = {"uid": _uid(node)}
    if sent and is_oid(sent["code"]):
        # a class of DICOM objects is known by its UID
        sent = {
            "system": URI_SYSTEM,
            "code": f"urn:oid:{sent['code']}",
            **{k: v for k, v in sent.items() if k == "display"},
        }
    if kind is not None and sent:
        kind.used = True
    made["sopClass"] = sent or absent()
    if reference := image(d, node):
        linked.append(d.resources[reference])
        section.entries.append(reference)
    section.entries += rest(d, node, section)
    return made


def image(d: Draft, node: Node) -> str:
    """DocumentReference for the link of an instance to its image, "" where there is none."""
    text = node.kid("text")
    content = attachment(d, text) if text is not None else None
    if content is None:
        return ""
    key = f"{_uid(node)}|{content.get('url', '')}"
    if known := d.aliases.get(key):
        # shown in the catalog and again beside a finding
        return known
    made = start("DocumentReference")
    ids = [{"system": _UID, "value": f"urn:oid:{_uid(node)}"}] if _uid(node) else keyed(identifiers(d, node))
    put(made, masterIdentifier=ids[0] if ids else None)
    made["status"] = "current"
    made["subject"] = refer(d.patient)
    made["content"] = [{"attachment": content}]
    put_time(d, content, "creation", node.kid("effectiveTime"))
    reference = d.add(made, node, ids or None)
    if _uid(node):
        d.aliases[key] = reference
    return reference


def linked(d: Draft, node: Node, section: Section) -> list[str]:
    """An instance that stands beside a finding: the link to its image."""
    node.used = True
    reference = image(d, node)
    if reference:
        _named(node)
    return ([reference] if reference else []) + rest(d, node, section)


def _uid(node: Node) -> str:
    return next((kid.get("root") for kid in node.all("id") if is_oid(kid.get("root"))), "")


def _named(node: Node) -> None:
    """The id and the code that say what the act is are carried by the element it becomes."""
    for kid in node.kids:
        own_id = kid.tag == "id" and kid.get("root") == _uid(node)
        if own_id or (kid.tag == "code" and kid.get("code") in (STUDY, SERIES)):
            kid.used = True


def _modality(d: Draft, code: Node | None) -> Resource | None:
    for part in code.all("qualifier") if code is not None else ():
        name, value = part.kid("name"), part.kid("value")
        if code_of(name) == _MODALITY and name is not None and value is not None and (made := coding(d, value)):
            part.used = name.used = value.used = True
            return made
    return None
