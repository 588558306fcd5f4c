"""The order of evaluation around consents, and the sentence, code and versions that every decision carries."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from hie.consent.decide import Grant
from hie.consent.jurisdiction import load
from tests.consent.builders import ICD, asked, compiled, consent, provision, request, thing

OUT = load("us-opt-out")
IN = load("us-opt-in")
REFUSED = consent(provision("deny"))


def one(*consents: Any, ask: Any = None, of: Any = None, policy: Any = OUT, candidates: Any = ()) -> Any:
    item = of or thing()
    decided = asked(compiled(*consents, policy=policy), ask or request(), item, policy=policy, candidates=candidates)
    return decided.verdicts[item.reference]


@pytest.mark.parametrize("state", ["suspended", "left", "unknown", "applied", ""])
def test_a_participant_that_is_not_active_gets_and_gives_nothing(state: str) -> None:
    allowed = consent(provision("permit"))
    assert one(allowed, ask=request(recipient_state=state)).rule == "participant-recipient"
    assert one(allowed, ask=request(source_state=state)).rule == "participant-source"


def test_a_grant_does_not_open_the_gate() -> None:
    grant = Grant("g", 2e9, "physician")
    assert one(ask=request(recipient_state="suspended", emergency=grant)).verdict == "deny"


def test_patients_read_their_own_record_but_not_psychotherapy_notes() -> None:
    mine = request("PATRQT", "Patient/anna")
    assert one(REFUSED, ask=mine).rule == "own-access"
    assert one(ask=mine, of=thing("PSYTHPN")).rule == "access-excluded"


def test_a_parent_reads_for_a_child_but_not_what_the_child_consented_to_alone() -> None:
    parent = request("PATRQT", "Organization/other", representative="MTH", patient_age=15.0)
    assert one(ask=parent).rule == "representative-access"
    assert one(ask=parent, of=thing("SEX")).rule == "minor"
    assert one(ask=replace(parent, patient_age=9.0), of=thing("SEX")).verdict == "permit"
    assert one(ask=replace(parent, patient_age=18.5)).rule == "region-default"
    assert one(ask=replace(parent, representative="FRND")).rule == "region-default"


def reported(code: str) -> Any:
    return thing(type="Condition", code={"coding": [{"system": ICD, "code": code}]})


def test_a_mandated_report_goes_whatever_the_consent_says_and_only_that() -> None:
    agency = request("PUBHLTH", "Organization/other", role="public-health", mandated=True)
    assert one(REFUSED, ask=agency, of=reported("A15.0")).rule == "mandated-report"
    assert one(REFUSED, ask=agency, of=reported("I10")).verdict == "deny"
    unlisted = request("PUBHLTH", "Organization/other", mandated=True)
    assert one(REFUSED, ask=unlisted, of=reported("A15.0")).verdict == "deny"
    assert one(REFUSED, ask=request("PUBHLTH"), of=reported("A15.0")).verdict == "deny"


def test_a_part_2_record_needs_consent_even_for_treatment() -> None:
    item = thing("ETH", "42CFRPart2")
    assert one(of=item).rule == "regime-part2"
    given = asked(compiled(consent(provision("permit", purpose=["TREAT"])), policy=OUT), request(), item, policy=OUT)
    assert given.overall == "permit"
    assert given.obligations == ("42 CFR part 2 prohibits unauthorized use or disclosure of these records.",)
    assert one(of=thing("ETH")).verdict == "permit"


@pytest.mark.parametrize(
    ("purpose", "out"),
    [("TREAT", "permit"), ("COVERAGE", "permit"), ("HRESCH", "deny"), ("HMARKT", "deny"), ("X", "deny")],
)
def test_region_defaults_by_purpose(purpose: str, out: str) -> None:
    assert one(ask=request(purpose)).verdict == out
    assert one(ask=request(purpose), policy=IN).verdict == "deny"


def test_unclassified_goes_for_treatment_but_not_from_a_programme() -> None:
    odd = thing("N", "UNCLASSIFIED")
    assert one(of=odd).verdict == "permit"
    assert one(of=odd._replace(source_types=frozenset(["part2-programme"]))).rule == "unclassified"


def test_failed_labelling_withholds() -> None:
    found = one(of=thing("?"))
    assert (found.verdict, found.pending, found.rule) == ("deny", True, "label-failed")


def test_break_the_glass_lifts_a_refusal_for_a_time_and_a_role() -> None:
    ask = request("BTG")
    grant = Grant("g", ask.now + 60, "physician")
    assert one(REFUSED, ask=ask).verdict == "deny"
    assert one(REFUSED, ask=replace(ask, emergency=grant)).rule == "break-glass"
    treating = replace(request(), emergency=grant)
    assert one(REFUSED, ask=treating).rule == "break-glass"
    assert one(REFUSED, ask=replace(treating, now=grant.until)).verdict == "deny"
    assert one(REFUSED, ask=replace(treating, emergency=Grant("g", ask.now + 60, "clerk"))).verdict == "deny"
    assert one(ask=treating, of=thing("PSYTHPN")).verdict == "deny"
    assert one(ask=treating, of=thing("42CFRPart2")).basis == "42 CFR 2.51"


def test_minimum_necessary_limits_payers_not_treatment() -> None:
    assert one(ask=request("HPAYMT", role="payer")).rule == "minimum-necessary"
    assert one(ask=request("HPAYMT", role="payer"), of=thing(type="Encounter")).verdict == "permit"
    assert one(ask=request("TREAT", role="payer")).verdict == "permit"


@pytest.mark.invariant(4)
def test_while_a_match_is_open_denials_of_every_candidate_hold_and_no_permit_does() -> None:
    refused = compiled(REFUSED, policy=OUT)
    allowed = compiled(consent(provision("permit", purpose=["HRESCH"])), policy=OUT)
    assert one(candidates=[refused]).rule == "candidate-deny"
    assert one(consent(provision("permit")), candidates=[allowed, refused]).verdict == "deny"
    assert one(ask=request("HRESCH"), candidates=[allowed]).verdict == "deny"
    assert one(candidates=[allowed]).verdict == "permit"


def test_who_and_where_go_only_with_something() -> None:
    patient, lab = thing(type="Patient", id="anna"), thing("R")
    consents = compiled(consent(provision("permit", label=["N"])), policy=OUT)
    assert asked(consents, request(), patient, lab, policy=OUT).overall == "deny"
    both = asked(consents, request(), patient, lab, thing("N", id="n"), policy=OUT)
    assert both.overall == "redact"
    assert both.verdicts["Patient/anna"].verdict == "permit"


def test_a_request_that_cannot_be_read_gets_nothing() -> None:
    assert one(ask=replace(request(), purpose="")).pending
    assert one(ask=replace(request(), recipient=frozenset())).pending


def test_consents_of_another_policy_version_decide_nothing() -> None:
    stale = compiled(consent(provision("permit")), policy=IN)
    assert asked(stale, request(), thing(), policy=OUT).overall == "withhold"


@pytest.mark.parametrize("policy", [OUT, IN])
@pytest.mark.parametrize("purpose", ["TREAT", "HRESCH", "BTG"])
@pytest.mark.parametrize("labels", [("N",), ("ETH",), ("42CFRPart2",), ("?",), ("PSY", "V")])
@pytest.mark.parametrize(
    "given", [(), (REFUSED,), (consent(provision("permit", label=["N"])),), ({"resourceType": "Consent"},)]
)
def test_every_decision_has_one_sentence_a_code_and_versions(
    policy: Any, purpose: str, labels: Any, given: Any
) -> None:
    item = thing(*labels)
    decided = asked(compiled(*given, policy=policy), request(purpose), item, policy=policy)
    found = decided.verdicts[item.reference]
    assert found.text.startswith(("Released because", "Held back because"))
    assert found.text.endswith(".")
    assert found.text.count(". ") == 0
    assert found.code if found.verdict == "deny" else found.basis
    assert decided.policy == policy.version
    assert not (found.answered and not found.consent)
