"""The decision: may this item go to this recipient for this purpose, now? Pure; a few microseconds an item.

Order of evaluation, the first step that answers wins: participant gate, the patient's own access, mandated report,
special-category regime (as a default), explicit consents, region default, break-the-glass, minimum necessary.
Sources: 42 CFR part 2, 45 CFR 164.506-528, 45 CFR part 171 for the exception code of every refusal.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence

from hie.codes import security
from hie.codes.purposes import ancestors
from hie.consent import sentence
from hie.consent.compiled import PatientConsents
from hie.consent.condition import USES_CODES, USES_DATE, USES_REFERENCES
from hie.consent.item import Item, item
from hie.consent.jurisdiction import Policy, Regime, Report
from hie.consent.reference import CARRIERS
from hie.consent.request import Decisions, Grant, ItemDecision, Request
from hie.consent.select import DENY, NO_ANSWER, PERMIT, SILENT, UNDECIDED, Answer, Selection, answer, select

REQUEST = "45 CFR 171.202(e)"
PRECONDITION = "45 CFR 171.202(b)"
SECURITY = "45 CFR 171.203"


def decide(
    policy: Policy,
    consents: PatientConsents,
    candidates: Sequence[PatientConsents],
    request: Request,
    items: Sequence[Item],
) -> Decisions:
    """`candidates`: consents of possible matches; their denials hold, their permits do not. Never raises on data."""
    judge = _Judge(policy, consents, candidates, request, items)
    verdicts: dict[str, ItemDecision] = {}
    known: dict[object, ItemDecision] = {}
    uses = judge.uses
    carriers: list[Item] = []
    released = 0
    permitted = denied = pending = 0
    first: ItemDecision | None = None
    for one in items:
        if one.type in CARRIERS:
            carriers.append(one)
            continue
        if uses & (USES_DATE | USES_REFERENCES):
            found = judge.item(one)
        else:
            key: object = (one.mask, one.strong, one.level, one.failed, one.other, one.type)
            if uses & USES_CODES:
                key = (key, one.codes, one.every)
            cached = known.get(key)
            if cached is None:
                cached = known[key] = judge.item(one)
            found = cached
        verdicts[one.reference] = found
        if found.verdict == "permit":
            permitted += 1
            released |= one.mask
        else:
            denied += 1
            pending += found.pending
            first = first or found
    for one in carriers:
        # who and where go along with what they belong to
        found = judge.item(one) if not verdicts or judge.gate else judge.along(one, permitted, first)
        if found.verdict == "permit" and one.mask and one.type == "RelatedPerson":
            # what it says of itself ("case manager of the HIV clinic") may be what the patient keeps back
            own = judge.item(one)
            if own.verdict != "permit":
                found, first = own, first or own
                denied += 1
                pending += own.pending
        verdicts[one.reference] = found
    if not permitted and not denied:
        for verdict in verdicts.values():
            permitted += verdict.verdict == "permit"
            denied += verdict.verdict != "permit"
            pending += verdict.pending
            first = first or (verdict if verdict.verdict != "permit" else None)
    if judge.gate is not None and not verdicts:
        denied, first, pending = 1, judge.gate, int(judge.gate.pending)
    overall = "permit" if not denied else "redact" if permitted else "withhold" if pending else "deny"
    return Decisions(
        overall=overall,
        verdicts=verdicts,
        policy=policy.version,
        mode=policy.mode,
        obligations=judge.obligations(released),
        holds_until=judge.holds_until(),
        text=first.text if first is not None else "",
        answered=any(v.answered for v in verdicts.values()),
        labels=tuple(security.names(released)),
    )


class _Judge:
    """Everything about a request that does not depend on the item."""

    def __init__(
        self,
        policy: Policy,
        consents: PatientConsents,
        candidates: Sequence[PatientConsents],
        request: Request,
        items: Sequence[Item],
    ) -> None:
        self.policy = policy
        self.request = request
        self.consents = consents
        self.candidates = candidates
        self.gate = _gate(policy, consents, request)
        self.selection = _selection(consents, request)
        self.others = [_selection(c, request) for c in candidates]
        self.default = policy.permits(request.purpose)
        self.reported: frozenset[str] = frozenset()
        self.report = self._report(items) if request.mandated else None
        self.lifts = self._lifts()
        limited = policy.roles.get(request.role) if request.role else None
        treating = "TREAT" in ancestors(request.purpose) or request.purpose == "BTG"
        self.types = None if limited is None or treating else limited
        self.uses = self.selection.uses
        for other in self.others:
            self.uses |= other.uses
        if self.report is not None:
            self.uses |= USES_CODES | USES_REFERENCES
        own = any(r.startswith("Patient/") for r in request.recipient)
        if own or request.source_types or any(i.source_types for i in items):
            self.uses |= USES_REFERENCES

    # -- one item ---------------------------------------------------------------------------------------------------

    def item(self, one: Item) -> ItemDecision:
        if self.gate is not None:
            return self.gate
        request = self.request
        if (one.patient and one.patient in request.recipient) or request.representative:
            found = self._own(one)
            if found is not None:
                return found
        if self.report is not None and self._reportable(one, self.report):
            return ItemDecision(
                "permit", False, "mandated-report",
                f"Released because the law requires this report ({self.report.name}) to the agency.",
                "", "", self.report.code, True,
            )  # fmt: skip
        said = answer(self.selection, one)
        for other in self.others:
            against = answer(other, one)
            if against.verdict >= DENY and said.verdict < DENY:
                return self._lifted(one, self._candidate(one, against))
        decision = self._default(one) if said.verdict == SILENT else self._consented(one, said)
        if decision.verdict == "deny":
            decision = self._lifted(one, decision)
        if decision.verdict == "permit" and self.types is not None and one.type not in self.types:
            return ItemDecision(
                "deny", False, "minimum-necessary",
                f"Held back because the recipient's role does not need this for {sentence.purpose(request.purpose)}.",
                "45 CFR 164.502(b)", "", "",
            )  # fmt: skip
        return decision

    def along(self, one: Item, permitted: int, first: ItemDecision | None) -> ItemDecision:
        """A carrier goes with what is released, and stays with what is not."""
        if permitted or first is None:
            return ItemDecision(
                "permit", False, "carrier", "Released because it says whose or whence the released records are.",
                "", "", "45 CFR 164.506(c)",
            )  # fmt: skip
        return first._replace(answered=False)

    def _consented(self, one: Item, said: Answer) -> ItemDecision:
        assert said.voice is not None
        assert said.rule is not None
        consent = said.voice.consent
        request = self.request
        if said.verdict == PERMIT:
            basis = "42 CFR 2.31 45 CFR 164.508" if one.mask & security.PART2 else "45 CFR 164.508"
            text = sentence.permitted(consent, request.purpose)
            return ItemDecision("permit", False, "consent-permit", text, "", consent.name, basis, True)
        if said.verdict == UNDECIDED:
            text = sentence.undecided(consent, said.rule)
            return ItemDecision("deny", True, "cannot-decide", text, PRECONDITION, consent.name, "", True)
        text = sentence.denied(consent, said.rule, request.purpose, one.mask, one.level)
        return ItemDecision("deny", False, "consent-deny", text, REQUEST, consent.name, "", True)

    def _candidate(self, one: Item, against: Answer) -> ItemDecision:
        assert against.voice is not None
        text = (
            "Held back because it is not yet settled which of several patients this record belongs to, and one of "
            "them does not allow it."
        )
        return ItemDecision(
            "deny", against.verdict == UNDECIDED, "candidate-deny", text, REQUEST, against.voice.consent.name, "", True
        )

    def _default(self, one: Item) -> ItemDecision:
        request, policy = self.request, self.policy
        why = sentence.purpose(request.purpose)
        permitted = None
        for regime in policy.regimes:
            if not _under(regime, one):
                continue
            if not any(p in regime.permitted for p in ancestors(request.purpose)):
                text = f"Held back because {regime.text}."
                return ItemDecision("deny", False, f"regime-{regime.name}", text, regime.code, "", "")
            permitted = regime
        if one.failed and not policy.undecided_default:
            text = "Held back because we cannot decide: it could not be told how sensitive this is."
            return ItemDecision("deny", True, "label-failed", text, PRECONDITION, "", "")
        if permitted is not None:
            text = f"Released because the rule for this category allows it for {why} without consent."
            return ItemDecision("permit", False, f"regime-{permitted.name}", text, "", "", "45 CFR 164.506(c)")
        if not self.default:
            text = f"Held back because the patient has given no consent for {why}, and without one nothing is shared for it."
            return ItemDecision("deny", False, "region-default", text, PRECONDITION, "", "")
        sources = one.source_types or request.source_types
        if one.mask & security.UNCLASSIFIED and not policy.permits_unclassified(request.purpose, sources):
            text = "Held back because it carries a code that nobody has classified yet."
            return ItemDecision("deny", False, "unclassified", text, PRECONDITION, "", "")
        text = f"Released because the region shares records for {why} and no consent of the patient says otherwise."
        return ItemDecision("permit", False, "region-default", text, "", "", "45 CFR 164.506(c)")

    def _own(self, one: Item) -> ItemDecision | None:
        """The patient, or a representative, reads the patient's record: nearly all of it."""
        request, policy = self.request, self.policy
        for regime in policy.regimes:
            if not regime.patient_may_read and _under(regime, one):
                text = f"Held back because {regime.text}."
                return ItemDecision("deny", False, "access-excluded", text, "45 CFR 164.524(a)(1)(i)", "", "", True)
        if one.patient in request.recipient:
            text = "Released because patients may read their own records."
            return ItemDecision("permit", False, "own-access", text, "", "", "45 CFR 164.524", True)
        if request.representative not in policy.representatives:
            return None
        age = request.patient_age
        if age is not None and age >= policy.majority and request.representative in _PARENTS:
            return None
        if age is None or age < policy.majority:
            for rule in policy.minors:
                if one.mask & rule.labels and (age is None or age >= rule.age):
                    text = "Held back because a minor may consent to this care alone, and then decides who reads of it."
                    return ItemDecision("deny", False, "minor", text, "45 CFR 164.502(g)(3)", "", "", True)
            if one.failed:
                text = "Held back because we cannot decide: it could not be told how sensitive this is."
                return ItemDecision("deny", True, "label-failed", text, "45 CFR 164.502(g)(3)", "", "")
        text = "Released because a personal representative reads for the patient."
        return ItemDecision("permit", False, "representative-access", text, "", "", "45 CFR 164.502(g)", True)

    # -- mandated reports ---------------------------------------------------------------------------------------------

    def _report(self, items: Sequence[Item]) -> Report | None:
        for report in self.policy.reports:
            named = self.request.mandated is True or self.request.mandated == report.name
            agency = report.agencies & self.request.recipient or f"role:{self.request.role}" in report.agencies
            if named and agency and any(not report.conditions.isdisjoint(i.every) for i in items):
                self.reported = frozenset(i.reference for i in items if not report.conditions.isdisjoint(i.every))
                return report
        return None

    def _reportable(self, one: Item, report: Report) -> bool:
        """The minimum data set: the reported condition, what points to it or is pointed to by it, and who and where."""
        if one.type not in report.types:
            return False
        return one.type in CARRIERS or one.reference in self.reported or not self.reported.isdisjoint(one.points)

    # -- break the glass ------------------------------------------------------------------------------------------------

    def _lifts(self) -> frozenset[str]:
        grant, glass = self.request.emergency, self.policy.emergency
        if grant is None or not glass.allowed or self.request.now >= grant.until:
            return frozenset()
        return glass.lifts if grant.role in glass.roles else frozenset()

    def _lifted(self, one: Item, denial: ItemDecision) -> ItemDecision:
        if not self.lifts or self.request.emergency is None:
            return denial
        kind = "regime" if denial.rule.startswith("regime-") else "default"
        kind = "consent" if denial.rule in ("consent-deny", "candidate-deny") else kind
        kind = "undecided" if denial.pending else kind
        sealed = any(not r.emergency_lifts and _under(r, one) for r in self.policy.regimes)
        if kind not in self.lifts or sealed:
            return denial
        basis = "42 CFR 2.51" if one.mask & security.PART2 else "45 CFR 164.506(c)(2)"
        text = (
            "Released in an emergency by breaking the glass; the privacy officer is told and the release is reviewed."
        )
        return ItemDecision("permit", False, "break-glass", text, "", denial.consent, basis)

    # -- the whole --------------------------------------------------------------------------------------------------

    def obligations(self, released: int) -> tuple[str, ...]:
        return tuple(dict.fromkeys(r.notice for r in self.policy.regimes if r.notice and released & r.labels))

    def holds_until(self) -> float | None:
        now = self.request.now
        moments: list[float] = []
        for one in (self.consents, *self.candidates):
            ahead = bisect_right(one.boundaries, now)
            moments += one.boundaries[ahead : ahead + 1]
        if self.request.emergency is not None and self.request.emergency.until > now:
            moments.append(self.request.emergency.until)
        if self.policy.effective_until < float("inf") and self.policy.effective_until > now:
            moments.append(self.policy.effective_until)
        return min(moments, default=None)


_PARENTS = frozenset(("PRN", "MTH", "FTH", "NMTH", "NFTH", "ADOPTP", "ADOPTM", "ADOPTF", "STPPRN"))


def _under(regime: Regime, one: Item) -> bool:
    return one.mask & regime.labels == regime.labels if regime.only else bool(one.mask & regime.labels)


def _gate(policy: Policy, consents: PatientConsents, request: Request) -> ItemDecision | None:
    """Step 1, and a request that cannot be read at all."""
    if not request.recipient or not request.purpose:
        text = "Held back because we cannot decide: the request does not say who asks, or what for."
        return ItemDecision("deny", True, "request-unreadable", text, SECURITY, "", "", True)
    for who, state in (("recipient", request.recipient_state), ("source", request.source_state)):
        if state != "active":
            known = (
                f"is {state}"
                if state in ("suspended", "left", "applied", "verified", "test")
                else "is not known to the exchange"
            )
            text = f"Held back because the {who} {known}."
            return ItemDecision("deny", False, f"participant-{who}", text, SECURITY, "", "", True)
    if consents.policy and consents.policy != policy.version:
        text = "Held back because we cannot decide: the consents were read under another version of the policy."
        return ItemDecision("deny", True, "stale-consents", text, PRECONDITION, "", "", True)
    return None


def _selection(consents: PatientConsents, request: Request) -> Selection:
    """`select`, remembered while no boundary is crossed."""
    if not consents.groups:
        return _EMPTY
    passed = bisect_right(consents.boundaries, request.now)
    key = (request.recipient, request.possible, request.purpose, passed)
    found: Selection | None = consents.selections.get(key)
    if found is None:
        found = select(consents, request)
        if len(consents.selections) >= 64:
            consents.selections.clear()
        consents.selections[key] = found
    return found


_EMPTY = Selection((), 1)

__all__ = ["NO_ANSWER", "Decisions", "Grant", "Item", "ItemDecision", "Request", "decide", "item"]
