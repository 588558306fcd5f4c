"""FHIR R4 Consents of one patient -> rules that are decided in microseconds.

Reading (reference: IHE PCF 1.1, FHIR R4 Consent, our policy's `reading`): the root provision's type, else `policyRule`,
is the base; a nested provision sets its own type (`typed`) or the opposite of its parent's (`flip`). Every consent fails
closed by itself: what cannot be read never permits, and still denies.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from hie.codes import security
from hie.codes.purposes import BREAK_GLASS
from hie.consent.compiled import NOBODY, CompiledConsent, Notice, PatientConsents, Rule
from hie.consent.condition import MAYBE, NO, YES, RequestTest
from hie.consent.jurisdiction import Policy
from hie.consent.period import interval
from hie.consent.provision import ProvisionReader, coding, unknown_elements
from hie.consent.reference import Resolver, plain
from hie.model import Resource

__all__ = ["NOBODY", "CompiledConsent", "Notice", "PatientConsents", "Rule", "compile_consents", "unreadable"]

DEEPEST = 12
"""Provisions nested deeper than this are not read: their consent counts as broken."""

_CONSENT = frozenset(
    ("resourceType", "id", "meta", "language", "text", "contained", "extension", "identifier", "status", "scope",
     "category", "patient", "dateTime", "performer", "organization", "sourceAttachment", "sourceReference", "policy",
     "policyRule", "verification", "provision")
)  # fmt: skip
_BASE = {"OPTIN": True, "OPTINR": True, "OPTOUT": False, "OPTOUTE": False}
_STATUS = frozenset(("draft", "proposed", "active", "rejected", "inactive", "entered-in-error"))
_OTHER_SCOPES = frozenset(("adr", "treatment"))
"""Advance directives and consent to treatment say nothing about disclosure."""


def compile_consents(
    consents: Sequence[tuple[str, str, Resource]], policy: Policy, directory: Resolver
) -> PatientConsents:
    """`consents`: id, version and resource of each, in any order. Never raises: what is broken fails closed."""
    compiled: list[CompiledConsent] = []
    notices: list[Notice] = []
    for id, version, resource in consents:
        try:
            found = _Compiler(id, version, policy, directory, notices).consent(resource)
        except Exception as error:  # one unreadable consent must not hide the others, and must not open anything
            notices.append(Notice(id, "consent-unreadable", f"cannot be read ({type(error).__name__})"))
            found = unreadable(id, version)
        if found is not None:
            compiled.append(found)
    groups: dict[tuple[str, ...], list[CompiledConsent]] = {}
    for one in compiled:
        groups.setdefault(one.group, []).append(one)
    ordered = tuple(
        tuple(sorted(members, key=lambda c: (-c.high, -c.low, c.id, c.version)))
        for _, members in sorted(groups.items())
    )
    moments = {m for one in compiled for m in _moments(one)}
    return PatientConsents(ordered, policy.version, tuple(sorted(set(notices))), tuple(sorted(moments)))


def unreadable(id: str, version: str) -> CompiledConsent:
    """A consent of which nothing can be read: it may have been a denial of everything."""
    rule = Rule(False, RequestTest(broken=True), None, (), "Consent")
    infinite = float("inf")
    return CompiledConsent(
        id, version, ("unreadable", id, version), -infinite, -infinite, infinite, "", (rule,), MAYBE, False
    )


class _Compiler:
    def __init__(self, id: str, version: str, policy: Policy, directory: Resolver, notices: list[Notice]) -> None:
        self.id = id
        self.version = version
        self.policy = policy
        self.directory = directory
        self.notices = notices

    def tell(self, code: str, text: str) -> None:
        self.notices.append(Notice(self.id, code, text))

    def consent(self, resource: Resource) -> CompiledConsent | None:
        """None: it says nothing about disclosure, now or ever."""
        if not isinstance(resource, dict) or resource.get("resourceType") != "Consent":
            self.tell("consent-unreadable", "is not a FHIR Consent")
            return unreadable(self.id, self.version)
        status = str(resource.get("status"))
        if status in _STATUS and status != "active":
            return None
        if (scope := _code(resource.get("scope"))) in _OTHER_SCOPES:
            self.tell("consent-other-scope", f"has the scope {scope}: it says nothing about disclosure")
            return None
        broken = self._broken(resource)
        root = resource.get("provision", {})
        named = _purpose_codes(root)
        reader = ProvisionReader(self.policy, self.directory, resource.get("contained"), True)
        rules = self._readings(resource, root, reader, broken)
        doubtful = any(map(_damaged_in, rules))
        btg = YES if BREAK_GLASS in named else MAYBE if doubtful or any(map(_foreign_in, rules)) else NO
        if btg == NO:
            reader.btg = False
            rules = self._readings(resource, root, reader, broken, quiet=True)
        if doubtful:
            self.tell("consent-not-understood", "has parts that cannot be understood: it permits less, denies more")
        flagged = self._flag(rules, root)
        if flagged and self.policy.ambiguous == "stricter":
            other = "flip" if self.policy.mode == "typed" else "typed"
            rules += self._readings(resource, root, reader, broken, mode=other, quiet=True)
        low, high, date = self._dates(resource)
        return CompiledConsent(
            id=self.id,
            version=self.version,
            group=("alone", self.id, self.version) if doubtful else self._group(resource, rules),
            given=low if date else -float("inf"),
            low=low,
            high=high,
            date=date,
            readings=rules,
            btg=btg,
            flagged=flagged,
        )

    def _broken(self, resource: Resource) -> bool:
        """Is the consent as a whole beyond what we can answer for?"""
        broken = False
        if str(resource.get("status")) not in _STATUS:
            self.tell("consent-status", "has no readable status")
            broken = True
        if unknown := unknown_elements(resource, _CONSENT):
            code = "consent-modifier" if unknown[0] in ("modifierExtension", "implicitRules") else "consent-element"
            self.tell(code, f"has elements that are not understood: {', '.join(sorted(unknown)[:3])}")
            broken = True
        patient = resource.get("patient")
        if not isinstance(patient, dict) or not (plain(patient.get("reference")) or patient.get("identifier")):
            self.tell("consent-patient", "does not say whose it is")
            broken = True
        if self.policy.require_verification and not any(
            isinstance(v, dict) and v.get("verified") is True for v in _list(resource.get("verification"))
        ):
            self.tell("consent-unverified", "is not verified, which this jurisdiction demands")
            broken = True
        return broken

    def _readings(
        self,
        resource: Resource,
        root: Any,
        reader: ProvisionReader,
        broken: bool,
        *,
        mode: str = "",
        quiet: bool = False,
    ) -> tuple[Rule, ...]:
        mode = mode or self.policy.mode
        base = _base(resource.get("policyRule"))
        if not isinstance(root, dict):
            return (Rule(False, RequestTest(broken=True), None, (), "provision"),)
        kind = root.get("type")
        if kind in ("permit", "deny"):
            return (self._rule(root, reader, kind == "permit", mode, "provision", broken),)
        if "type" in root or "_type" in root:
            if not quiet:
                self.tell("provision-type", "has a base rule that is neither permit nor deny")
            return (_as_unusable(self._rule(root, reader, True, mode, "provision", broken)),)
        if base is None:
            if not quiet:
                self.tell(
                    "consent-without-base", "says neither permit nor deny: it permits nothing until it is settled"
                )
            rule = self._rule(root, reader, True, mode, "provision", broken)
            return (_as_unusable(rule),)
        first = self._rule(root, reader, base, mode, "provision", broken)
        if base and "actor" in root:
            if not quiet:
                self.tell("consent-ambiguous-actor", "opts in and names an actor without saying permit or deny")
            exception = self._rule(root, reader, False, mode, "provision", broken)
            second = Rule(True, RequestTest(broken=broken), None, (exception,), "policyRule")
            return (first, second)
        return (first,)

    def _rule(
        self,
        provision: Resource,
        reader: ProvisionReader,
        permit: bool,
        mode: str,
        place: str,
        broken: bool,
        depth: int = 0,
    ) -> Rule:
        request = reader.request(provision)
        if broken:
            request = replace(request, broken=True)
        children: list[Rule] = []
        nested = provision.get("provision", [])
        lost = not isinstance(nested, list) or (not nested and "provision" in provision) or depth >= DEEPEST
        if lost or request.broken:
            # what is lost, or hides behind an unknown element, may have been a denial of anything
            children.append(_damaged(f"{place}.provision"))
            nested = [] if lost else nested
        for number, child in enumerate(nested):
            where = f"{place}.provision[{number}]"
            if not isinstance(child, dict):
                children.append(_damaged(where))
                continue
            kind = child.get("type")
            if mode == "flip":
                children.append(self._rule(child, reader, not permit, mode, where, False, depth + 1))
            elif kind in ("permit", "deny"):
                children.append(self._rule(child, reader, kind == "permit", mode, where, False, depth + 1))
            else:
                # a provision that does not say which it is denies
                children.append(_as_unusable(self._rule(child, reader, False, mode, where, "type" in child, depth + 1)))
        return Rule(permit, request, reader.item(provision), tuple(children), place)

    def _flag(self, rules: Sequence[Rule], root: Any) -> bool:
        """Do `typed` and `flip` read it differently?"""
        flagged = any(_same_type_below(rule) for rule in rules if rule.place == "provision")
        if flagged:
            self.tell(
                "consent-two-readings",
                "has a provision of its parent's type, which some read as the opposite; an operator should settle it",
            )
        return flagged

    def _dates(self, resource: Resource) -> tuple[float, float, str]:
        meta = resource.get("meta")
        recorded = meta.get("lastUpdated") if isinstance(meta, dict) else None
        for written in (resource.get("dateTime"), recorded):
            found = interval(written, self.policy.timezone) if isinstance(written, str) else None
            if found is not None:
                return found.start, max(found.start, found.end - 0.001), str(written)[:10]
            if written is resource.get("dateTime") and written is not None:
                self.tell("consent-date", "has a date that cannot be read: counted as undated")
                break
        return -float("inf"), float("inf"), ""

    def _group(self, resource: Resource, rules: Sequence[Rule]) -> tuple[str, ...]:
        unconditional = all(
            rule.test is None and not rule.children and rule.request == RequestTest(
                start=rule.request.start, end=rule.request.end
            )
            for rule in rules
        )  # fmt: skip
        controllers = sorted(_reference_key(one) for one in _list(resource.get("organization")))
        if any(one == "" for one in controllers):
            return ("alone", self.id, self.version)
        rule = _code(resource.get("policyRule"))
        if unconditional and (not controllers or rule in _BASE):
            return ("patient-wide",)
        policies = sorted(
            f"{p.get('authority', '')}|{p.get('uri', '')}" if isinstance(p, dict) else "?"
            for p in _list(resource.get("policy"))
        )
        scope = _code(resource.get("scope"))
        return ("of", ",".join(controllers), scope, "" if rule in _BASE else rule, *policies)


def _damaged(place: str) -> Rule:
    return Rule(False, RequestTest(broken=True), None, (), place)


def _as_unusable(rule: Rule) -> Rule:
    return replace(rule, unusable=True)


def _same_type_below(rule: Rule) -> bool:
    return any(child.permit == rule.permit or _same_type_below(child) for child in rule.children)


def _damaged_in(rule: Rule) -> bool:
    """Is anything in a rule, or below it, beyond understanding?"""
    test = rule.test is not None and rule.test.damaged
    return rule.unusable or rule.request.damaged or test or any(map(_damaged_in, rule.children))


def _foreign_in(rule: Rule) -> bool:
    return rule.request.purpose_foreign or any(map(_foreign_in, rule.children))


def _moments(consent: CompiledConsent) -> set[float]:
    found = {consent.given}
    stack = list(consent.readings)
    while stack:
        rule = stack.pop()
        found |= {rule.request.start, rule.request.end}
        stack += rule.children
    return {m for m in found if abs(m) != float("inf")}


def _purpose_codes(provision: Any) -> set[str]:
    """Standard purposes that the consent names anywhere."""
    found: set[str] = set()
    stack = [provision]
    while stack:
        at = stack.pop()
        if not isinstance(at, dict):
            continue
        for value in _list(at.get("purpose")):
            system, code = coding(value)
            if code and security.canonical(system) == security.ACT_REASON:
                found.add(code)
        nested = at.get("provision")
        stack += nested if isinstance(nested, list) else []
    return found


def _reference_key(value: Any) -> str:
    if not isinstance(value, dict):
        return ""
    if found := plain(value.get("reference")):
        return found
    identifier = value.get("identifier")
    return f"{identifier.get('system', '')}|{identifier.get('value', '')}" if isinstance(identifier, dict) else ""


def _base(rule: Any) -> bool | None:
    """What policyRule says of the base: permit, deny, or nothing readable. Contradictions deny."""
    found = set()
    for system, code in _codings(rule):
        if code in _BASE and (not _BASE[code] or security.canonical(system) == security.ACT_CODE):
            found.add(_BASE[code])
    return None if not found else found == {True}


def _codings(concept: Any) -> list[tuple[str, str]]:
    codings = concept.get("coding") if isinstance(concept, dict) else None
    return sorted(coding(one) for one in codings) if isinstance(codings, list) else []


def _code(concept: Any) -> str:
    """The codes of a concept as one word; the order of its codings does not count."""
    return ",".join(sorted({code for _, code in _codings(concept) if code}))


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]
