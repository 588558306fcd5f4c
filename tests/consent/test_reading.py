"""How one consent, and several, are read: the decision semantics, sentence by sentence."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.consent.builders import ICD, OPT_IN, OPT_OUT, asked, compiled, consent, provision, request, thing, verdict

F11 = {"code": {"coding": [{"system": ICD, "code": "F11.20"}]}}


# -- request conditions -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("purposes", "asked_for", "expected"),
    [
        (["TREAT"], "TREAT", "deny"),
        (["TREAT"], "ETREAT", "deny"),
        (["ETREAT"], "TREAT", "silent"),
        (["HRESCH"], "CLINTRCH", "deny"),
        (["HPAYMT"], "TREAT", "silent"),
    ],
)
def test_a_purpose_covers_its_descendants(purposes: list[str], asked_for: str, expected: str) -> None:
    assert verdict(consent(provision("deny", purpose=purposes)), ask=request(asked_for)) == expected


@pytest.mark.parametrize(
    ("actor", "expected"),
    [
        ("Practitioner/lee", "permit"),
        ("PractitionerRole/lee-clinic", "permit"),
        ("Organization/clinic", "permit"),
        ("Organization/system", "permit"),
        ("Group/night", "permit"),
        ("CareTeam/team", "permit"),
        ("Practitioner/poe", "silent"),
        ("Organization/other", "silent"),
    ],
)
def test_an_actor_is_a_person_role_organisation_group_or_team(actor: str, expected: str) -> None:
    assert verdict(consent(provision("permit", actor=[actor]))) == expected


def test_a_past_member_of_a_care_team_is_not_permitted() -> None:
    ask = request("TREAT", "Practitioner/poe")
    assert verdict(consent(provision("permit", actor=["CareTeam/team"])), ask=ask) == "silent"


def test_an_actor_by_identifier() -> None:
    root = provision("permit")
    reference = {"identifier": {"system": "urn:npi", "value": "77"}}
    root["actor"] = [{"role": {"coding": [{"code": "IRCP"}]}, "reference": reference}]
    assert verdict(consent(root), ask=request("TREAT", "Organization/other")) == "permit"
    assert verdict(consent(root)) == "silent"


@pytest.mark.parametrize("type", ["permit", "deny"])
def test_an_actor_nobody_knows_decides_nothing_open(type: str) -> None:
    found = asked(compiled(consent(provision(type, actor=["Practitioner/ghost"]))), request())
    assert found.overall == "withhold"
    assert "cannot decide" in found.text


def test_custodian_and_author_limit_the_item_not_the_recipient() -> None:
    mine = thing(custodian={"reference": "Organization/clinic"}, author=[{"reference": "Practitioner/poe"}])
    assert verdict(consent(provision("deny", actor=[("CST", "Organization/clinic")])), of=mine) == "deny"
    assert verdict(consent(provision("deny", actor=[("CST", "Organization/other")])), of=mine) == "silent"
    assert verdict(consent(provision("deny", actor=[("AUT", "Practitioner/poe")])), of=mine) == "deny"
    assert verdict(consent(provision("deny", actor=[("AUT", "Practitioner/lee")])), of=mine) == "silent"


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        ("2022-12-31T23:59:00-05:00", "permit"),
        ("2023-01-01T04:59:59Z", "permit"),
        ("2023-01-01T00:00:00-05:00", "silent"),
        ("2022-02-28T23:00:00-05:00", "silent"),
        ("2022-03-01T00:00:00-05:00", "permit"),
    ],
)
def test_a_period_covers_local_days_to_the_end(now: str, expected: str) -> None:
    root = provision("permit", period={"start": "2022-03-01", "end": "2022-12-31"})
    assert verdict(consent(root), ask=request(now=now)) == expected


def test_the_answer_holds_until_the_next_boundary() -> None:
    found = asked(compiled(consent(provision("permit", period={"end": "2022-12-31"}))), request())
    assert found.holds_until == 1672549200.0


# -- item conditions ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("type", "listed", "labels", "expected"),
    [
        ("permit", ["N"], ("N",), "permit"),
        ("permit", ["N"], ("R",), "deny"),
        ("permit", ["R"], ("N",), "permit"),
        ("permit", ["N", "R"], ("V",), "deny"),
        ("deny", ["R"], ("V",), "deny"),
        ("deny", ["R"], ("N",), "silent"),
        ("deny", ["ETH"], ("ETHUD",), "deny"),
        ("deny", ["ETH"], ("OPIOIDUD",), "deny"),
        ("deny", ["ETHUD"], ("ETH",), "silent"),
        ("deny", ["ETH"], ("SUD",), "deny"),
        ("deny", ["PSY"], ("HIV",), "silent"),
        ("permit", ["PSY"], ("PSY",), "permit"),
        ("permit", ["PSY"], ("HIV",), "deny"),
        ("permit", ["N"], ("?",), "deny"),
        ("deny", ["ETH"], ("?",), "deny"),
    ],
)
def test_labels(type: str, listed: list[str], labels: tuple[str, ...], expected: str) -> None:
    assert verdict(consent(provision(type, label=listed)), of=thing(*labels)) == expected


@pytest.mark.parametrize("code", ["F11", "F11.2", "F1120", "F10-F19", "f11.20"])
def test_a_code_covers_what_lies_under_it(code: str) -> None:
    assert verdict(consent(provision("deny", icd=[code])), of=thing(**F11)) == "deny"


@pytest.mark.parametrize("code", ["F12", "F11.21", "I10", "F1"])
def test_a_code_covers_nothing_else(code: str) -> None:
    expected = "silent" if code != "F1" else "deny"  # F1 is no code: a denial on it holds back everything
    assert verdict(consent(provision("deny", icd=[code])), of=thing(**F11)) == expected


def test_class_and_code_must_both_match() -> None:
    root = provision("deny", icd=["F11"], types=["Condition"])
    assert verdict(consent(root), of=thing(**F11)) == "silent"
    assert verdict(consent(root), of=thing(type="Condition", **F11)) == "deny"


@pytest.mark.parametrize(
    ("type", "date", "expected"),
    [
        ("permit", "2021-06-01", "permit"),
        ("permit", "2020-12-31", "deny"),
        ("permit", None, "deny"),
        ("permit", "2021", "permit"),
        ("deny", "2021-12-31T23:00:00-05:00", "deny"),
        ("deny", "2022-01-01T00:00:00-05:00", "silent"),
        ("deny", None, "deny"),
    ],
)
def test_data_period(type: str, date: str | None, expected: str) -> None:
    root = provision(type, dataPeriod={"start": "2021-01-01", "end": "2021-12-31"})
    dated = thing(**({"effectiveDateTime": date} if date else {}))
    assert verdict(consent(root), of=dated) == expected


@pytest.mark.parametrize("meaning", ["related", "dependents"])
def test_what_points_to_an_encounter_and_the_encounter(meaning: str) -> None:
    root = consent(provision("deny", data=[(meaning, "Encounter/visit")]))
    assert verdict(root, of=thing(encounter={"reference": "Encounter/visit"})) == "deny"
    assert verdict(root, of=thing(id="visit", type="Encounter")) == "deny"
    assert verdict(root, of=thing()) == "silent"


def test_instance_and_author() -> None:
    assert verdict(consent(provision("deny", data=[("instance", "Observation/item")]))) == "deny"
    by = consent(provision("deny", data=[("authoredby", "Practitioner/lee")]))
    assert verdict(by, of=thing(performer=[{"reference": "PractitionerRole/lee-clinic"}])) == "deny"
    assert verdict(by, of=thing(performer=[{"reference": "Practitioner/poe"}])) == "silent"


# -- base rule and nesting ---------------------------------------------------------------------------------------------


def rule(code: str) -> dict[str, Any]:
    return {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": code}]}


def test_the_base_may_stand_in_policy_rule() -> None:
    assert verdict(consent(provision(None), policyRule=rule("OPTOUT"))) == "deny"
    assert verdict(consent(provision(None), policyRule=rule("OPTIN"))) == "permit"
    assert verdict(consent(None, policyRule=rule("OPTOUT"))) == "deny"


def test_without_any_base_nothing_is_permitted_and_somebody_is_told() -> None:
    found = compiled(consent(provision(None)))
    assert asked(found, request()).overall == "withhold"
    assert any(n.code == "consent-without-base" for n in found.notices)


def test_opting_in_with_an_actor_takes_the_stricter_reading() -> None:
    root = consent(provision(None, actor=["Practitioner/lee"]), policyRule=rule("OPTIN"))
    assert verdict(root) == "deny"
    assert verdict(root, ask=request("TREAT", "Organization/other")) == "silent"


def test_a_nested_permit_adds_and_a_nested_deny_takes_away() -> None:
    root = provision("permit", provision("permit", label=["PSY"], actor=["Practitioner/lee"]), label=["N"])
    assert verdict(consent(root), of=thing("PSY")) == "permit"
    assert verdict(consent(root), of=thing("PSY"), ask=request("TREAT", "Practitioner/poe")) == "deny"
    assert verdict(consent(provision("permit", provision("deny", label=["HIV"]))), of=thing("HIV")) == "deny"


def test_exceptions_of_exceptions() -> None:
    inner = provision("permit", actor=["Practitioner/lee"])
    root = consent(provision("permit", provision("deny", inner, label=["ETH"])))
    assert verdict(root, of=thing("ETH")) == "permit"
    assert verdict(root, of=thing("ETH"), ask=request("TREAT", "Practitioner/poe")) == "deny"


def test_siblings_that_disagree_deny() -> None:
    root = consent(provision("deny", provision("permit", label=["PSY"]), provision("deny", label=["PSY"])))
    assert verdict(root, of=thing("PSY")) == "deny"


def test_a_nested_permit_lifts_only_its_own_parents_denial() -> None:
    inner = provision("permit", actor=["Practitioner/lee"])
    root = consent(
        provision(
            "permit",
            provision("deny", inner, label=["PSY"]),
            provision("deny", data=[("instance", "Observation/item")]),
        )
    )
    assert verdict(root, of=thing("PSY")) == "deny"
    assert verdict(root, of=thing("PSY", id="another")) == "permit"


def test_a_root_that_does_not_apply_takes_its_exceptions_along() -> None:
    root = consent(provision("permit", provision("deny", label=["PSY"]), purpose=["HRESCH"]))
    assert verdict(root, of=thing("PSY")) == "silent"


def test_the_two_modes() -> None:
    root = consent(provision("permit", provision("permit", label=["PSY"]), label=["N"]))
    flip = replace(OPT_OUT, mode="flip")
    stricter = replace(OPT_OUT, ambiguous="stricter")
    assert compiled(root).groups[0][0].flagged
    assert verdict(root, of=thing("PSY")) == "permit"
    assert verdict(root, of=thing("PSY"), policy=flip) == "deny"
    assert verdict(root, of=thing("PSY"), policy=stricter) == "deny"
    assert verdict(root, of=thing("N"), policy=stricter) == "permit"


# -- break the glass, in the consent's own words ---------------------------------------------------------------------


def test_only_a_consent_that_names_it_answers_break_the_glass() -> None:
    assert verdict(consent(provision("deny")), ask=request("BTG")) == "silent"
    named = consent(
        provision("permit", provision("permit", purpose=["BTG"], label=["R"]), purpose=["TREAT"], label=["N"])
    )
    assert verdict(named, ask=request("BTG"), of=thing("N")) == "permit"
    assert verdict(named, ask=request("BTG"), of=thing("R")) == "permit"
    assert verdict(named, ask=request("BTG"), of=thing("V")) == "deny"
    assert verdict(named, ask=request("TREAT"), of=thing("R")) == "deny"


# -- several consents ---------------------------------------------------------------------------------------------------

NO = provision("deny", purpose=["TREAT"])
YES = provision("permit", purpose=["TREAT"])


def test_the_newer_of_a_group_replaces_the_older() -> None:
    revoked = consent(NO, dateTime="2022-03-01")
    again = consent(YES, dateTime="2022-04-01")
    assert verdict(consent(YES, dateTime="2022-02-01"), revoked) == "deny"
    assert verdict(consent(YES, dateTime="2022-02-01"), revoked, again) == "permit"
    assert verdict(again, revoked) == "permit"


def test_a_newer_consent_counts_from_its_date_on() -> None:
    later = consent(NO, dateTime="2022-09-01")
    assert verdict(consent(YES), later) == "permit"
    assert verdict(consent(YES), later, ask=request(now="2022-09-01T12:00:00Z")) == "deny"


def test_ties_go_to_the_stricter() -> None:
    assert verdict(consent(YES), consent(NO)) == "deny"
    assert verdict(consent(YES, dateTime="2022-01-10T15:00:00Z"), consent(NO)) == "deny"


def test_an_undated_denial_is_newest_and_an_undated_permit_oldest() -> None:
    assert verdict(consent(NO, dateTime=None), consent(YES, dateTime="2022-06-01")) == "deny"
    assert verdict(consent(YES, dateTime=None), consent(NO, dateTime="2001-01-01")) == "deny"
    recorded = consent(YES, dateTime=None, meta={"lastUpdated": "2022-05-01T00:00:00Z"})
    assert verdict(recorded, consent(NO)) == "permit"


def test_between_groups_the_most_restrictive_holds() -> None:
    other = consent(NO, dateTime="2020-01-01", organization=[{"reference": "Organization/other"}])
    assert verdict(consent(YES), other) == "deny"


def test_a_patient_wide_opt_out_is_lifted_only_by_a_patient_wide_opt_in() -> None:
    out = consent(provision("deny"), organization=None, dateTime="2022-01-01")
    assert verdict(out, consent(YES, dateTime="2022-05-01")) == "deny"
    back = consent(provision("permit"), organization=None, dateTime="2022-05-01")
    assert verdict(out, back) == "permit"


@pytest.mark.parametrize("status", ["inactive", "rejected", "entered-in-error", "draft", "proposed"])
def test_only_active_consents_count(status: str) -> None:
    assert verdict(consent(NO, status=status)) == "silent"


def test_a_consent_about_treatment_itself_says_nothing_of_disclosure() -> None:
    assert verdict(consent(NO, scope={"coding": [{"code": "adr"}]})) == "silent"


# -- failing closed ----------------------------------------------------------------------------------------------------


@pytest.mark.invariant(3)
@pytest.mark.parametrize(
    "broken",
    [
        {"modifierExtension": [{"url": "urn:x", "valueBoolean": True}]},
        {"status": "activ"},
        {"patient": None},
        {"implicitRules": "urn:rules"},
        {"provision": "deny"},
        {"provision": {"type": "denied"}},
        {"provision": {"type": "deny", "purpose": [{"system": "urn:mine", "code": "X"}]}},
        {"provision": {"type": "deny", "actor": [{"reference": {"reference": "Group/ghost"}}]}},
        {"provision": {"type": "deny", "securityLabel": [{"system": "urn:mine", "code": "X"}]}},
        {"provision": {"type": "deny", "code": [{"coding": [{"system": "urn:mine", "code": "X"}]}]}},
        {"provision": {"type": "deny", "code": [{"coding": [{"system": "http://loinc.org", "code": "4548-5"}]}]}},
        {"provision": {"type": "deny", "dataPeriod": {"start": "2022-13-45"}}},
        {"provision": {"type": "deny", "period": {"end": "soon"}}},
        {
            "provision": {
                "type": "deny",
                "data": [{"meaning": "instance", "reference": {"reference": "Observation/gone"}}],
            }
        },
        {"provision": {"type": "deny", "class": [{"system": "http://hl7.org/fhir/resource-types", "code": "Labs"}]}},
    ],
)
def test_a_denial_that_cannot_be_understood_holds(broken: dict[str, Any]) -> None:
    whole = {**consent(provision("deny")), **broken}
    assert verdict({k: v for k, v in whole.items() if v is not None}) == "deny"


@pytest.mark.invariant(3)
def test_a_denial_that_cannot_be_understood_has_no_exceptions() -> None:
    root = provision("deny", provision("permit", actor=["Practitioner/lee"]))
    assert verdict(consent(root)) == "permit"
    root["securityLabel"] = [{"system": "urn:mine", "code": "X"}]
    assert verdict(consent(root)) == "deny"
    assert verdict(consent(root), policy=replace(OPT_OUT, registered=frozenset(["urn:mine"]))) == "silent"


def test_a_foreign_purpose_permits_only_itself() -> None:
    root = provision("permit", purpose=[])
    root["purpose"] = [{"system": "urn:mine", "code": "Registry"}]
    assert verdict(consent(root), ask=request("Registry")) == "permit"
    assert verdict(consent(root)) == "silent"


def test_no_consent_leaves_the_default() -> None:
    assert verdict() == "silent"
    assert asked(compiled(), request(), policy=OPT_IN).overall == "deny"
