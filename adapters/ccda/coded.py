"""CD, CE, CV, CO, CS -> CodeableConcept and Coding, every code kept as sent.

An OID becomes its registered URI, else `urn:oid:`; a translation of the site's ConceptMap is added beside the code, never
instead of it. Source: HL7 v3 data types R1 (CD), FHIR R4 terminologies.
"""

from __future__ import annotations

import re

from adapters.ccda.absence import absent
from adapters.ccda.draft import Draft
from adapters.ccda.narrative import text_of
from adapters.ccda.tree import Node
from hie.codes.systems import V2_NAME_TO_URI, from_v2_name
from hie.model import Resource

WRONG_SYSTEMS = {"2.16.840.1.113883.6.59": "CVX"}
"""OIDs that senders write for a well-known system although another one is registered for it. Kept as sent."""

_WORD = re.compile(r"[a-z]{6,}")
_NAMES = {
    "SNOMEDCT": "http://snomed.info/sct",
    "SNOMED": "http://snomed.info/sct",
    "LOINC": "http://loinc.org",
    "RXNORM": "http://www.nlm.nih.gov/research/umls/rxnorm",
    "CVX": "http://hl7.org/fhir/sid/cvx",
    "NDC": "http://hl7.org/fhir/sid/ndc",
    "CPT": "http://www.ama-assn.org/go/cpt",
    "CPT4": "http://www.ama-assn.org/go/cpt",
    "ICD10CM": "http://hl7.org/fhir/sid/icd-10-cm",
    "ICD9CM": "http://hl7.org/fhir/sid/icd-9-cm",
}


def concept(d: Draft, node: Node | None) -> Resource | None:
    """All codes of a node with its text; None where it has neither. Marks the node as carried."""
    if node is None:
        return None
    node.used = True
    codings: list[Resource] = []
    main = coding(d, node)
    if main:
        codings.append(main)
    text = ""
    for kid in node.kids:
        if kid.tag == "translation":
            if other := concept(d, kid):
                codings += [each for each in other.get("coding", ()) if each not in codings]
                text = text or other.get("text", "")
        elif kid.tag == "originalText":
            text = text_of(d, kid) or text
            if text and main and "display" in main and kid.kid("reference") is not None:
                _compare(d, node, main["display"], text)
    if not text and node.text and not node.text.isspace():
        text = " ".join(node.text.split())
    made: Resource = {}
    if codings:
        made["coding"] = _translated(d, codings)
    if text:
        made["text"] = text
    elif not main and node.get("displayName"):
        made["text"] = node.get("displayName")
    return made or None


def _compare(d: Draft, node: Node, display: str, text: str) -> None:
    """Flags a code whose name and whose narrative have no word in common: one of them is of something else."""
    words, said = _WORD.findall(display.lower()), text.lower()
    # short words, abbreviations and inflections prove nothing: only long words of which none begins alike
    if words and "allergy" not in words and _WORD.search(said) and not any(word[:4] in said for word in words):
        d.warn("code-narrative-differ", node, "the name of the code and the narrative it points to share no word")


def required(d: Draft, node: Node | None, text: str = "") -> Resource:
    """As `concept`, for elements that FHIR requires: the reason of absence where there is no code and no text."""
    made = concept(d, node)
    if made:
        return made
    if text:
        return {"text": text}
    return absent(node.null if node is not None and node.null else "UNK")


def coding(d: Draft, node: Node) -> Resource | None:
    """The code of a node itself, without its translations."""
    attrs = node.attrs
    code = attrs.get("code", "").strip()
    if not code:
        return None
    made: Resource = {}
    system = attrs.get("codeSystem", "")
    name = attrs.get("codeSystemName", "")
    if system:
        made["system"] = d.system(system)
        if system in WRONG_SYSTEMS:
            d.warn("code-system-wrong", node, f"{system} is not the OID of {WRONG_SYSTEMS[system]}; kept as sent")
        elif name and (meant := _NAMES.get(_squash(name))) and meant != made["system"]:
            d.warn("code-system-mismatch", node, f"codeSystem {system} and codeSystemName do not agree; kept as sent")
    elif name:
        made["system"] = _NAMES.get(_squash(name)) or from_v2_name(name, d.context.authorities)
    if version := attrs.get("codeSystemVersion"):
        made["version"] = version
    made["code"] = " ".join(code.split())
    if display := attrs.get("displayName"):
        made["display"] = display
    return made


def code_of(node: Node | None) -> str:
    """The bare code of a node, "" if it has none. Does not mark it."""
    return node.attrs.get("code", "").strip() if node is not None else ""


def codes_of(node: Node | None) -> set[str]:
    """The codes of a node and of its translations."""
    if node is None:
        return set()
    found = {code_of(node)}
    for kid in node.kids:
        if kid.tag == "translation":
            found |= codes_of(kid)
    found.discard("")
    return found


def fixed(system: str, code: str, display: str = "") -> Resource:
    """A CodeableConcept of one code that a map of this adapter yields."""
    made = {"system": system, "code": code}
    if display:
        made["display"] = display
    return {"coding": [made]}


def named(made: Resource | None, text: str, node: Node) -> Resource:
    """A concept with the name that came beside its code; a second text that differs is left unread."""
    if not made:
        return {"text": text}
    if not made.get("text"):
        return {**made, "text": text}
    if text.lower() in made["text"].lower():
        return made
    shown = " ".join(str(each.get("display", "")) for each in made.get("coding", ())).lower()
    if text.lower() in shown:
        return made
    if _alike(shown, text) and not _alike(shown, made["text"]):
        # the narrative is of something else, the name agrees with the code (and code-narrative-differ was flagged)
        return {**made, "text": text}
    node.used = False
    return made


def _alike(shown: str, text: str) -> bool:
    return any(word[:4] in shown for word in re.findall(r"[a-z]{4,}", text.lower()))


def first_text(made: Resource | None) -> str:
    """What to show for a concept: its text, else the first display."""
    if not made:
        return ""
    if made.get("text"):
        return str(made["text"])
    for each in made.get("coding", ()):
        if each.get("display"):
            return str(each["display"])
    return ""


def _translated(d: Draft, codings: list[Resource]) -> list[Resource]:
    maps = d.context.code_maps
    if not maps:
        return codings
    added = list(codings)
    for each in codings:
        system = each.get("system", "")
        table = maps.get(system) or maps.get(system.removeprefix("urn:oid:"))
        target = table.get(each["code"]) if table else None
        if target and not any(c.get("system") == target[0] and c.get("code") == target[1] for c in added):
            made = {"system": target[0], "code": target[1]}
            if target[2]:
                made["display"] = target[2]
            added.append(made)
    return added


def _squash(name: str) -> str:
    return name.upper().replace(" ", "").replace("-", "").replace("_", "")


assert all(uri in V2_NAME_TO_URI.values() for uri in _NAMES.values())
