"""`hie fax preview`: a wrong filing is the one unforgivable error, so every doubt goes to a person."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest

from adapters.fax.preview import preview
from hie.cli import main

ANN = {
    "patient_id": "P1",
    "family": "Doe",
    "given": "Ann",
    "sex": "F",
    "dob": "1970-01-02",
    "mrn": "A-100",
    "phone": "9185550111",
}
BEA = {
    "patient_id": "P2",
    "family": "Roe",
    "given": "Bea",
    "sex": "F",
    "dob": "1980-03-04",
    "mrn": "A-200",
    "phone": "",
}
NOTE = "LAKE CLINIC\nPROGRESS NOTE\nPatient: {name}   DOB: {dob}  Sex: {sex}\nMRN: {mrn}\nDate of Service: 03/01/2026\n\nSeen today. BP 120/80.\n"


def note(name: str = "DOE, ANN", dob: str = "01/02/1970", sex: str = "F", mrn: str = "A-100") -> str:
    return NOTE.format(name=name, dob=dob, sex=sex, mrn=mrn)


def lines(*texts: str, roster: list[dict[str, Any]] | None = None) -> list[dict[str, Any]]:
    given = [ANN, BEA] if roster is None else roster
    return list(preview(((f"f{n}", t.encode()) for n, t in enumerate(texts)), given))


def action(text: str, roster: list[dict[str, Any]] | None = None) -> tuple[str, str | None]:
    (line,) = lines(text, roster=roster)
    (document,) = line["documents"]
    return document["match"]["action"], document["match"]["patient_id"]


def test_name_and_birth_date_equal_and_alone_is_filed() -> None:
    assert action(note()) == ("file", "P1")
    assert action(note(name="Ann Doe", mrn="Z-9")) == ("file", "P1")


@pytest.mark.invariant(4)
@pytest.mark.parametrize(
    ("text", "roster"),
    [
        (note(dob="01/02/1971"), None),
        (note(dob="0l/02/1970"), None),
        (note(name="DOE, ANNE"), None),
        (note(name="DOE, A"), None),
        (note(sex="M"), None),
        (note(mrn="A-200"), None),
        (note(name="ANN, DOE"), None),
        (note(), [ANN, {**ANN, "patient_id": "P9"}]),
        (note(), [ANN, {**BEA, "family": "Doe", "given": "Amy", "dob": "1970-01-02"}]),
        (note(), [ANN, {**BEA, "family": "Doe", "given": "Ann", "dob": "1970-01-03"}]),
        (note() + "Patient: ROE, BEA  DOB: 03/04/1980\n", None),
    ],
)
def test_every_doubt_goes_to_a_person_with_its_reason(text: str, roster: list[dict[str, Any]] | None) -> None:
    (line,) = lines(text, roster=roster)
    match = line["documents"][0]["match"]
    assert match["action"] == "review"
    assert match["why"]


def test_a_clear_stranger_is_new_and_an_unclear_one_is_not() -> None:
    assert action(note(name="QUILL, MARA", dob="05/06/1991", mrn="Q-1"))[0] == "new"
    assert action(note(name="QUILL, M", dob="05/06/1991", mrn="Q-1"))[0] == "review"
    assert action("LAKE CLINIC\nPROGRESS NOTE\nseen today\n")[0] == "review"


def test_a_resend_is_a_duplicate_and_a_changed_number_is_not() -> None:
    first, again, changed, corrected = lines(
        note(),
        note().replace("Seen today", "Seen  today"),
        note().replace("120/80", "130/80"),
        note() + "CORRECTED REPORT\n",
    )
    assert first["duplicate_of"] is None
    assert again["duplicate_of"] == "f0"
    assert changed["duplicate_of"] is None
    assert corrected["duplicate_of"] is None
    assert again["documents"][0]["match"]["action"] == "review"


@pytest.mark.parametrize("rate", [0.01, 0.03, 0.08])
def test_damage_never_files_into_another_chart(rate: float) -> None:
    chance = random.Random(7)
    roster = [
        ANN,
        BEA,
        {**ANN, "patient_id": "P3", "family": "Dole", "given": "Ian", "dob": "1970-01-20", "mrn": "X-1"},
    ]
    for _ in range(60):
        text = "".join(c if c == "\n" or chance.random() > rate else chance.choice("0l1.c e") for c in note())
        for document in lines(text, roster=roster)[0]["documents"]:
            if document["match"]["action"] == "file":
                assert document["match"]["patient_id"] == "P1"


def test_the_command_writes_a_line_a_fax(tmp_path: Path) -> None:
    inbox = tmp_path / "in"
    inbox.mkdir()
    (inbox / "b.txt").write_text(note())
    (inbox / "a.txt").write_text(note(name="ROE, BEA", dob="03/04/1980", mrn="A-200"))
    (inbox / "b.json").write_text(json.dumps({"fax_id": "b", "received": "2026-03-01T08:00:00Z"}))
    (inbox / "a.json").write_text(json.dumps({"fax_id": "a", "received": "2026-03-01T09:00:00Z"}))
    roster = tmp_path / "roster.jsonl"
    roster.write_text("\n".join(json.dumps(r) for r in (ANN, BEA)))
    out = tmp_path / "out.jsonl"
    arguments = ["fax", "preview", "--inbox", str(inbox), "--roster", str(roster), "--out", str(out)]
    assert main(arguments) == 0
    made = [json.loads(line) for line in out.read_text().splitlines()]
    assert [m["fax_id"] for m in made] == ["b", "a"]
    assert [m["documents"][0]["match"]["patient_id"] for m in made] == ["P1", "P2"]
    assert set(made[0]["documents"][0]) == {
        "pages", "doc_type", "patient", "sender", "recipient", "date", "urgent", "handwritten", "incomplete",
        "labs", "medications", "allergies", "no_known_allergies", "problems", "match",
    }  # fmt: skip
    roster.write_text('{"family": "x"}')
    assert main(arguments) == 2
