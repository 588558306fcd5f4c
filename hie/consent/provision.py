"""Reads one Consent.provision (FHIR R4) into its conditions. What cannot be read is marked, never dropped."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from hie.codes import security
from hie.codes.hierarchy import LOINC, covering, system_of
from hie.codes.purposes import BREAK_GLASS, KNOWN, covered
from hie.consent.condition import MAYBE, NO, YES, ItemTest, RequestTest, points_for
from hie.consent.elements import ELEMENTS, RESOURCE_TYPES
from hie.consent.jurisdiction import Policy
from hie.consent.period import period
from hie.consent.reference import Resolver, plain
from hie.model import Resource

_TYPE_SYSTEMS = frozenset(("http://hl7.org/fhir/resource-types", "http://hl7.org/fhir/fhir-types"))
_RECIPIENTS = frozenset(("IRCP", "PRCP", "RCV", "REFT", "TRC", "NOT", "REFB"))
_ACTIONS = {"access": YES, "disclose": YES, "use": MAYBE, "collect": MAYBE, "correct": NO}
"""consentaction: what sending a record to somebody is. A denial of use or collection reaches it too."""


class ProvisionReader:
    """Reads the provisions of one consent under one policy."""

    def __init__(self, policy: Policy, directory: Resolver, contained: Any, btg: bool) -> None:
        self.policy = policy
        self.directory = directory
        self.contained = {
            f"#{r['id']}": r for r in contained if isinstance(r, dict) and isinstance(r.get("id"), str)
        } if isinstance(contained, list) else {}  # fmt: skip
        self.btg = btg

    # -- request ----------------------------------------------------------------------------------------------------

    def request(self, provision: Resource) -> RequestTest:
        test = RequestTest(broken=bool(unknown_elements(provision, ELEMENTS)) or _modified(provision))
        if "purpose" in provision:
            test = self._purposes(test, provision["purpose"])
        if "period" in provision:
            found = period(provision["period"], self.policy.timezone)
            if found is None:
                test = replace(test, period_damaged=True)
            else:
                test = replace(test, start=found.start, end=found.end)
        if "action" in provision:
            test = replace(test, action=_action(provision["action"]))
        if "actor" in provision:
            names, unknown = self._actors(provision["actor"], _is_recipient)
            if names or unknown:
                test = replace(test, actors=frozenset(names), actor_unknown=unknown)
        return test

    def _purposes(self, test: RequestTest, values: Any) -> RequestTest:
        codes: set[str] = set()
        damaged = foreign = False
        for value in values if isinstance(values, list) and values else [None]:
            system, code = coding(value)
            if not code:
                damaged = True
            elif security.canonical(system) == security.ACT_REASON:
                damaged = damaged or code not in KNOWN
                codes |= covered(code)
            elif code in KNOWN:
                # a standard code under another system, or none: meant to be standard, but not for certain
                damaged = True
            else:
                codes.add(code)
                foreign = foreign or system not in self.policy.registered
        if self.btg and not codes.isdisjoint(("TREAT", "PurposeOfUse")):
            codes.add(BREAK_GLASS)
        return replace(test, purposes=frozenset(codes), purpose_damaged=damaged, purpose_foreign=foreign)

    def _actors(self, actors: Any, chosen: Callable[[str], int]) -> tuple[set[str], bool]:
        """References of the actors in the chosen roles, and whether one of them is not known."""
        names: set[str] = set()
        unknown = False
        for actor in actors if isinstance(actors, list) and actors else [None]:
            if not isinstance(actor, dict) or unknown_elements(actor, _ACTOR):
                unknown = True
                continue
            wanted = chosen(_role(actor.get("role")))
            if wanted == NO:
                continue
            found = self._resolve(actor.get("reference"))
            if found is None or wanted == MAYBE:
                unknown = True
            else:
                names |= found
        return names, unknown

    def _resolve(self, reference: Any) -> set[str] | None:
        """The references that stand for a Reference; None where nobody knows it."""
        if not isinstance(reference, dict):
            return None
        found: set[str] = set()
        target = plain(reference.get("reference"))
        if target.startswith("#"):
            inside = self.contained.get(target, {})
            found |= self._identified(inside.get("identifier"))
        elif target and self.directory.resolves(target):
            if self.directory.open_ended(target):
                return None
            found.add(target)
        elif target:
            return None
        found |= self._identified(reference.get("identifier"))
        return found or None

    def _identified(self, identifiers: Any) -> set[str]:
        found: set[str] = set()
        for one in identifiers if isinstance(identifiers, list) else [identifiers]:
            if isinstance(one, dict) and isinstance(one.get("value"), str):
                system = one.get("system", "")
                if matched := self.directory.identified(str(system), one["value"]):
                    found |= matched
                    found.add(f"{system}|{one['value']}")
        return found

    # -- item -------------------------------------------------------------------------------------------------------

    def item(self, provision: Resource) -> ItemTest | None:
        test = ItemTest()
        if "class" in provision:
            test = self._classes(test, provision["class"])
        if "code" in provision:
            test = self._codes(test, provision["code"])
        if "securityLabel" in provision:
            test = self._labels(test, provision["securityLabel"])
        if "dataPeriod" in provision:
            found = period(provision["dataPeriod"], self.policy.timezone)
            test = replace(test, dated=True, date_damaged=found is None)
            if found is not None:
                test = replace(test, start=found.start, end=found.end)
        if "data" in provision:
            test = self._data(test, provision["data"])
        if "actor" in provision:
            authors, authors_unknown = self._actors(provision["actor"], _is_author)
            keepers, keepers_unknown = self._actors(provision["actor"], _is_custodian)
            both = authors_unknown and keepers_unknown and _role_of_any(provision["actor"]) == set()
            if not both and (authors or keepers or authors_unknown or keepers_unknown):
                test = replace(
                    test,
                    authors=self._family(authors) if authors or authors_unknown else None,
                    custodians=self._family(keepers) if keepers or keepers_unknown else None,
                    author_damaged=authors_unknown or keepers_unknown,
                )
        return None if test == ItemTest() else test

    def _family(self, references: set[str]) -> frozenset[str]:
        return frozenset().union(*(self.directory.same(r) for r in references)) if references else frozenset()

    def _classes(self, test: ItemTest, values: Any) -> ItemTest:
        types: set[str] = set()
        damaged = False
        for value in values if isinstance(values, list) and values else [None]:
            system, code = coding(value)
            if system in _TYPE_SYSTEMS and code in RESOURCE_TYPES:
                types.add(code)
            elif system_of(system) == LOINC and (found := covering(system, code)):
                types |= found
            else:
                damaged = True
        return replace(test, types=frozenset(types), types_damaged=damaged)

    def _codes(self, test: ItemTest, values: Any) -> ItemTest:
        codes: set[str] = set()
        damaged = False
        for concept in values if isinstance(values, list) and values else [None]:
            codings = concept.get("coding") if isinstance(concept, dict) else None
            for one in codings if isinstance(codings, list) and codings else [None]:
                system, code = coding(one)
                found = covering(system, code) if code else None
                if found is not None:
                    codes |= found
                else:
                    damaged = damaged or system not in self.policy.registered
                    codes.add(f"{system_of(system)}|{code}")
        return replace(test, codes=frozenset(codes), codes_damaged=damaged)

    def _labels(self, test: ItemTest, values: Any) -> ItemTest:
        covers = reaches = 0
        levels: list[int] = []
        other: set[str] = set()
        damaged = False
        for value in values if isinstance(values, list) and values else [None]:
            system, code = coding(value)
            system = security.canonical(system)
            if system == security.CONFIDENTIALITY and code in security.LEVELS:
                levels.append(security.LEVELS[code])
            elif system == security.ACT_CODE and security.bit(code):
                covers |= security.covered(code)
                reaches |= security.reached(code)
            elif system == security.LOCAL and code == "unclassified":
                covers |= security.UNCLASSIFIED
                reaches |= security.UNCLASSIFIED
            else:
                damaged = damaged or system not in self.policy.registered or not code
                other.add(f"{system}|{code}")
        return replace(
            test,
            labelled=True,
            covers=covers,
            reaches=reaches,
            highest=max(levels, default=None),
            lowest=min(levels, default=None),
            other=frozenset(other),
            labels_damaged=damaged,
        )

    def _data(self, test: ItemTest, values: Any) -> ItemTest:
        instances: set[str] = set()
        pointed: set[str] = set()
        also: set[str] = set()
        by: set[str] = set()
        damaged = False
        for entry in values if isinstance(values, list) and values else [None]:
            if not isinstance(entry, dict) or unknown_elements(entry, _DATA):
                damaged = True
                continue
            meaning = entry.get("meaning")
            found = self._resolve(entry.get("reference"))
            if found is None or meaning not in ("instance", "related", "dependents", "authoredby"):
                damaged = True
                continue
            for reference in found:
                if meaning == "authoredby":
                    by |= self.directory.same(reference)
                    continue
                instances.add(reference)
                if meaning == "dependents" or (meaning == "related" and points_for(reference)):
                    pointed.add(reference)
                elif meaning == "related":
                    instances |= self.directory.outgoing(reference)
                    also.add(reference)
        return replace(
            test,
            instances=frozenset(instances),
            pointed=frozenset(pointed),
            also_pointed=frozenset(also),
            by=frozenset(by),
            data_damaged=damaged,
        )


_ACTOR = frozenset(("id", "extension", "role", "reference"))
_DATA = frozenset(("id", "extension", "meaning", "reference"))


def unknown_elements(node: Resource, known: frozenset[str]) -> list[str]:
    """Elements that FHIR R4 does not have there, modifier extensions among them; `_x` beside `x` is a primitive's part."""
    return [
        key for key in node if key not in known and not (key.startswith("_") and key[1:] in known and key[1:] in node)
    ]


def _modified(provision: Resource) -> bool:
    """Is there a modifier extension anywhere in it? None is known to us, and each may turn the meaning round."""
    stack: list[Any] = [value for key, value in provision.items() if key != "provision"]
    while stack:
        at = stack.pop()
        if isinstance(at, dict):
            if "modifierExtension" in at:
                return True
            stack.extend(at.values())
        elif isinstance(at, list):
            stack.extend(at)
    return False


def coding(value: Any) -> tuple[str, str]:
    """System and code of a Coding, both empty where it cannot be read."""
    if not isinstance(value, dict) or "modifierExtension" in value:
        return "", ""
    system, code = value.get("system", ""), value.get("code", "")
    return (system.strip(), code.strip()) if isinstance(system, str) and isinstance(code, str) else ("", "")


def _role(concept: Any) -> str:
    """The role code of an actor; "" where there is none, "?" where it cannot be read or roles disagree."""
    if concept is None:
        return ""
    codings = concept.get("coding") if isinstance(concept, dict) else None
    codes = {coding(c)[1] for c in codings} if isinstance(codings, list) else set()
    kinds = {_kind(code) for code in codes}
    return codes.pop() if len(codes) == 1 else next(iter(codes)) if len(kinds) == 1 and codes else "?"


def _kind(code: str) -> str:
    if code in _RECIPIENTS or code == "":
        return "recipient"
    return code if code in ("AUT", "CST") else "?"


def _role_of_any(actors: Any) -> set[str]:
    return {_role(a.get("role")) for a in actors if isinstance(a, dict)} if isinstance(actors, list) else set()


def _is_recipient(role: str) -> int:
    kind = _kind(role)
    return YES if kind == "recipient" else MAYBE if kind == "?" else NO


def _is_author(role: str) -> int:
    return YES if role == "AUT" else NO


def _is_custodian(role: str) -> int:
    return YES if role == "CST" else NO


def _action(values: Any) -> int:
    answers = set()
    for concept in values if isinstance(values, list) and values else [None]:
        codings = concept.get("coding") if isinstance(concept, dict) else None
        for one in codings if isinstance(codings, list) and codings else [None]:
            system, code = coding(one)
            known = security.canonical(system) == "http://terminology.hl7.org/CodeSystem/consentaction"
            answers.add(_ACTIONS.get(code, MAYBE) if known else MAYBE)
    return YES if YES in answers else MAYBE if MAYBE in answers else NO
