"""`hie consent decide` and `hie consent test` on files of their own, readable and not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from hie.cli import main
from tests.consent.builders import PEOPLE, consent, provision

REQUEST = {"recipient": ["Practitioner/lee", "Organization/clinic"], "purpose": "TREAT", "now": "2022-07-01T12:00:00Z"}


def records() -> list[dict[str, Any]]:
    coded = {"coding": [{"system": "http://hl7.org/fhir/sid/icd-10-cm", "code": "F11.20"}]}
    plain = {"coding": [{"system": "http://hl7.org/fhir/sid/icd-10-cm", "code": "I10"}]}
    anna = {"reference": "Patient/anna"}
    return [
        *PEOPLE[:-2],
        {"resourceType": "Condition", "id": "opioid", "subject": anna, "code": coded},
        {"resourceType": "Condition", "id": "pressure", "subject": anna, "code": plain},
        {"resourceType": "Patient", "id": "ben"},
        {"resourceType": "Condition", "id": "bens", "subject": {"reference": "Patient/ben"}, "code": plain},
    ]


def decide(
    folder: Path, out: pytest.CaptureFixture[bytes], consents: dict[str, str], default: str = "permit", **asked: Any
) -> dict[str, Any]:
    place = folder / "consents"
    place.mkdir()
    for name, text in consents.items():
        (place / name).write_text(text)
    (folder / "resources.json").write_text(json.dumps({"resources": records()}))
    (folder / "requests.ndjson").write_text(json.dumps({"id": "q", "request": REQUEST, **asked}) + "\n")
    files = ["--consents", str(place), "--resources", str(folder / "resources.json")]
    assert main(["consent", "decide", *files, "--requests", str(folder / "requests.ndjson"), "--default", default]) == 0
    [line] = out.readouterr().out.splitlines()
    found: dict[str, Any] = json.loads(line)
    return found


Out = pytest.CaptureFixture[bytes]


def test_unlabelled_records_are_labelled_first(tmp_path: Path, capfdbinary: Out) -> None:
    found = decide(tmp_path, capfdbinary, {"a.json": json.dumps(consent(provision("deny", label=["ETH"])))})
    assert found["decision"] == "partial"
    assert found["resources"] == {"Condition/opioid": "deny", "Condition/pressure": "permit"}
    assert "substance-use" in found["reasons"]["Condition/opioid"]["text"]


def test_only_patients_that_a_consent_is_about(tmp_path: Path, capfdbinary: Out) -> None:
    found = decide(tmp_path, capfdbinary, {"a.json": json.dumps(consent(provision("deny")))})
    assert "Condition/bens" not in found["resources"]
    assert found["decision"] == "deny"


@pytest.mark.parametrize("text", ["{not json", "[]", "null", '{"resourceType": "Konsent"}', '"x"'])
@pytest.mark.parametrize("default", ["permit", "deny"])
def test_an_unreadable_consent_may_be_about_anybody(tmp_path: Path, capfdbinary: Out, text: str, default: str) -> None:
    found = decide(tmp_path, capfdbinary, {"a.json": text}, default)
    assert found["decision"] == "deny"
    assert found["resources"]["Condition/bens"] == "deny"
    assert "cannot decide" in found["reasons"]["Condition/bens"]["text"]


def test_no_consent_leaves_it_to_the_default(tmp_path: Path, capfdbinary: Out) -> None:
    files = {"a.json": json.dumps(consent(provision("permit", purpose=["HRESCH"])))}
    assert decide(tmp_path, capfdbinary, files, "deny")["decision"] == "not-applicable"


@pytest.mark.parametrize(
    "asked",
    [
        {"request": None},
        {"request": {}},
        {"request": {**REQUEST, "now": "soon"}},
        {"request": {**REQUEST, "recipient": []}},
        {"request": {**REQUEST, "purpose": 7}},
    ],
)
def test_a_request_that_cannot_be_read_is_denied(tmp_path: Path, capfdbinary: Out, asked: dict[str, Any]) -> None:
    found = decide(tmp_path, capfdbinary, {"a.json": json.dumps(consent(provision("permit")))}, **asked)
    assert found["decision"] == "deny"


@pytest.mark.parametrize("default", ["permit", "deny"])
def test_patients_get_their_own_record_whatever_the_default(tmp_path: Path, capfdbinary: Out, default: str) -> None:
    files = {"a.json": json.dumps(consent(provision("deny")))}
    own = {**REQUEST, "recipient": ["Patient/anna"], "purpose": "PATRQT"}
    assert decide(tmp_path, capfdbinary, files, default, request=own)["decision"] == "permit"


@pytest.mark.parametrize("default", ["permit", "deny"])
def test_a_recipient_nobody_knows_gets_nothing(tmp_path: Path, capfdbinary: Out, default: str) -> None:
    files = {"a.json": json.dumps(consent(provision("permit")))}
    stranger = {**REQUEST, "recipient": ["Practitioner/stranger"]}
    assert decide(tmp_path, capfdbinary, files, default, request=stranger)["decision"] == "deny"


def test_the_request_chooses_its_consents(tmp_path: Path, capfdbinary: Out) -> None:
    files = {"yes.json": json.dumps(consent(provision("permit"))), "no.json": json.dumps(consent(provision("deny")))}
    assert decide(tmp_path, capfdbinary, files, consent=["yes.json"])["decision"] == "permit"


def test_wrong_files_are_errors_not_tracebacks(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "r.json").write_text("{")
    files = ["--consents", str(tmp_path), "--resources", str(tmp_path / "r.json"), "--requests", str(tmp_path / "q")]
    assert main(["consent", "decide", *files, "--default", "deny"]) == 2
    assert "not JSON" in capsys.readouterr().err


def test_the_cases_beside_the_shipped_policies_hold(capsys: pytest.CaptureFixture[str]) -> None:
    folder = Path(__file__).parents[2] / "config" / "consent"
    assert main(["consent", "test", str(folder)]) == 0, capsys.readouterr().out
    assert capsys.readouterr().out.count("ok ") >= 20


def test_a_wrong_case_is_found(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "cases.yaml").write_text("policy: us-opt-out\ncases:\n  - {name: wrong, expect: deny}\n")
    assert main(["consent", "test", str(tmp_path)]) == 1
    assert "FAIL" in capsys.readouterr().out
