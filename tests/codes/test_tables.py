"""What a site writes about its senders' codes: what is taken, what is refused, and where each error is said to stand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from hie.codes import conceptmap, tables
from hie.codes.rows import NO_SYSTEM, keys_of
from hie.codes.tables import Tables

LOINC = "http://loinc.org"
GLUCOSE = (LOINC, "2345-7", "Glucose")


def sheet(directory: Path, *lines: str, name: str = "codes.tsv") -> Path:
    file = directory / name
    file.write_text("\n".join(lines) + "\n")
    return file


def row(*cells: str) -> str:
    return "\t".join(cells)


def concept_map(directory: Path, *elements: dict[str, Any], **group: Any) -> Path:
    whole = {"source": "99LAB", "target": LOINC, **group, "element": list(elements)}
    body = {
        "resourceType": "ConceptMap",
        "status": "active",
        "group": [{k: v for k, v in whole.items() if v is not None}],
    }
    file = directory / "map.json"
    file.write_text(json.dumps(body, indent=1))
    return file


def element(code: str, equivalence: str = "equivalent", target: str | None = "2345-7") -> dict[str, Any]:
    said = {"equivalence": equivalence, "display": "Glucose"}
    return {"code": code, "target": [said if target is None else {"code": target, **said}]}


def compiled(*files: Path, names: dict[str, str] | None = None) -> Tables:
    """Each file a level of its own, the nearest last; all are right."""
    read = [tables.read(file) for file in files]
    assert not [error for each in read for error in each.errors]
    found, errors = tables.compiled([each.rows for each in read], names or {})
    assert not errors
    return found


def errors(file: Path) -> list[tuple[int, str]]:
    read = tables.read(file)
    _, more = tables.compiled([read.rows], {})
    assert all(error.file == str(file) for error in (*read.errors, *more))
    return [(error.line, error.code) for error in (*read.errors, *more)]


def test_a_row_is_found_by_the_system_as_sent_and_by_its_uri(tmp_path: Path) -> None:
    found = compiled(sheet(tmp_path, row("99LAB", "GLU", "LN", "2345-7", "Glucose")))
    assert found.maps["99LAB"]["GLU"] == GLUCOSE
    assert found.maps["urn:hie:system:99LAB"]["GLU"] == GLUCOSE


def test_the_name_that_the_work_list_shows_means_the_same(tmp_path: Path) -> None:
    found = compiled(sheet(tmp_path, row("urn:hie:system:99LAB", "GLU", LOINC, "2345-7", "Glucose")))
    assert found.maps["99LAB"]["GLU"] == GLUCOSE


@pytest.mark.parametrize(
    ("source", "keys"),
    [
        ("HL70069", {"HL70069", "http://terminology.hl7.org/CodeSystem/v2-0069"}),
        ("OBX-3", {"OBX-3"}),
        ("-", {""}),
        ("2.16.840.1.113883.3.9999.7", {"2.16.840.1.113883.3.9999.7", "urn:oid:2.16.840.1.113883.3.9999.7"}),
        ("urn:oid:2.16.840.1.113883.6.1", {"urn:oid:2.16.840.1.113883.6.1", "2.16.840.1.113883.6.1", LOINC}),
        ("https://clinic.example/lab", {"https://clinic.example/lab", "LAB"}),
        ("LAB", {"https://clinic.example/lab", "LAB"}),
    ],
)
def test_every_form_of_a_system(source: str, keys: set[str]) -> None:
    assert keys_of(source, {"LAB": "https://clinic.example/lab"}) == keys


def test_the_nearest_file_wins_code_by_code(tmp_path: Path) -> None:
    site = sheet(tmp_path, row("L", "A", "LN", "1-8", ""), row("L", "B", "LN", "2-6", ""), name="site.tsv")
    feed = sheet(tmp_path, row("L", "B", "LN", "3-4", ""), name="feed.tsv")
    found = compiled(site, feed)
    assert {code: target[1] for code, target in found.maps["L"].items()} == {"A": "1-8", "B": "3-4"}


def test_titles_comments_further_columns_and_rows_not_filled_in(tmp_path: Path) -> None:
    file = sheet(
        tmp_path,
        row("system", "code", "target_system", "target_code", "display", "seen"),
        "# agreed with the laboratory",
        row("L", "A", "LN", "1-8", "Alpha", "412"),
        row("L", "B", "", "", "", "3"),
    )
    assert compiled(file).maps["L"] == {"A": (LOINC, "1-8", "Alpha")}
    (warning,) = tables.read(file).warnings
    assert (warning.line, warning.code) == (4, "code-not-filled-in")


def test_that_no_code_fits_is_an_answer(tmp_path: Path) -> None:
    found = compiled(sheet(tmp_path, row("L", "MISC", "-", "", "")))
    assert found.maps == {}
    assert found.answered("urn:hie:system:L", "MISC")
    assert not found.answered("urn:hie:system:L", "OTHER")


@pytest.mark.parametrize("comma", [",", ";"])
def test_what_a_spreadsheet_program_saves(tmp_path: Path, comma: str) -> None:
    head = comma.join(("system", "code", "target_system", "target_code", "display"))
    file = tmp_path / "codes.csv"
    file.write_bytes(
        b"\xef\xbb\xbf" + f'{head}\r\nL{comma}007{comma}LN{comma}1-8{comma}"Alpha{comma} first"\r\n'.encode()
    )
    assert compiled(file).maps["L"] == {"007": (LOINC, "1-8", f"Alpha{comma} first")}


@pytest.mark.parametrize(
    ("line", "code", "hint"),
    [
        (row("L", "", "LN", "1-8"), "bad-code-table", "system"),
        (row("L", "A", "LOINK", "1-8"), "unknown-system", "'LOINC'"),
        (row("L", "A", "LN", ""), "bad-code-table", "-"),
        (row("1.2.03", "A", "LN", "1-8"), "unknown-table", ""),
        (row("HL769", "A", "LN", "1-8"), "unknown-table", ""),
        (row("urn:oid:x", "A", "LN", "1-8"), "unknown-table", ""),
        (row("L", "B", "LN", "9-9"), "code-twice", ""),
    ],
)
def test_an_error_has_its_line_and_what_was_meant(tmp_path: Path, line: str, code: str, hint: str) -> None:
    file = sheet(tmp_path, row("L", "B", "LN", "2-6"), "", line)
    assert errors(file) == [(3, code)]
    read = tables.read(file)
    assert all(hint in error.hint for error in read.errors)


def test_the_same_row_twice_says_nothing_new(tmp_path: Path) -> None:
    assert not errors(sheet(tmp_path, row("L", "B", "LN", "2-6", "Beta"), row("L", "B", LOINC, "2-6", "")))


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("none.tsv", None),
        ("codes.xlsx", b"PK"),
        ("latin.tsv", b"L\t\xb5\tLN\t1-8\n"),
        ("map.json", b"[1"),
        ("map.json", b"{}"),
    ],
)
def test_a_file_that_is_no_table(tmp_path: Path, name: str, data: bytes | None) -> None:
    if data is not None:
        (tmp_path / name).write_bytes(data)
    (error,) = tables.read(tmp_path / name).errors
    assert error.file == str(tmp_path / name)
    assert error.line == 1


@pytest.mark.parametrize("equivalence", ["equivalent", "equal", "wider", "subsumes"])
def test_a_target_that_is_true_of_the_patient_is_taken(tmp_path: Path, equivalence: str) -> None:
    assert compiled(concept_map(tmp_path, element("GLU", equivalence))).maps["99LAB"]["GLU"] == GLUCOSE


@pytest.mark.parametrize("equivalence", ["narrower", "specializes", "inexact", "relatedto", "disjoint"])
def test_a_target_that_says_what_the_sender_did_not_is_named_and_not_taken(tmp_path: Path, equivalence: str) -> None:
    file = concept_map(tmp_path, element("A"), element("GLU", equivalence))
    assert list(compiled(file).maps["99LAB"]) == ["A"]
    (warning,) = tables.read(file).warnings
    assert warning.code == "target-not-taken"
    assert '"GLU"' in file.read_text().splitlines()[warning.line - 1]


def test_unmatched_is_an_answer_and_an_element_without_target_none(tmp_path: Path) -> None:
    file = concept_map(tmp_path, element("MISC", "unmatched", None), {"code": "LATER"})
    found = compiled(file)
    assert found.answered("99LAB", "MISC")
    assert not found.answered("99LAB", "LATER")
    assert [warning.code for warning in tables.read(file).warnings] == ["code-not-filled-in"]


@pytest.mark.parametrize(
    ("made", "code"),
    [
        ({"code": "GLU", "target": [{"code": "2345-7"}]}, "unknown-equivalence"),
        ({"code": "GLU", "target": [{"code": "2345-7", "equivalence": "equivalnt"}]}, "unknown-equivalence"),
        ({"code": "GLU", "target": [{"equivalence": "equal"}]}, "bad-concept-map"),
        ({"target": [{"code": "2345-7", "equivalence": "equal"}]}, "bad-concept-map"),
        (
            element("GLU") | {"target": [*element("GLU")["target"], *element("GLU", target="1-8")["target"]]},
            "code-twice",
        ),
    ],
)
def test_what_is_wrong_with_an_element(tmp_path: Path, made: dict[str, Any], code: str) -> None:
    file = concept_map(tmp_path, element("A"), made)
    ((line, found),) = errors(file)
    assert found == code
    assert line > file.read_text().splitlines().index('     "code": "A",')


def test_a_group_must_say_whose_codes_its_targets_are(tmp_path: Path) -> None:
    assert [code for _, code in errors(concept_map(tmp_path, element("GLU"), target=None))] == ["bad-concept-map"]
    assert [code for _, code in errors(concept_map(tmp_path, element("GLU"), target="LOINK"))] == ["unknown-system"]


def test_a_group_without_source_is_about_codes_without_system(tmp_path: Path) -> None:
    assert compiled(concept_map(tmp_path, element("GLU"), source=None)).maps[""]["GLU"] == GLUCOSE


def test_a_retired_map_is_refused(tmp_path: Path) -> None:
    file = concept_map(tmp_path, element("GLU"))
    file.write_text(file.read_text().replace('"active"', '"retired"'))
    assert [code for _, code in errors(file)] == ["concept-map-retired"]


def test_what_is_handed_out_to_be_filled_in_can_be_put_in_place_at_any_time(tmp_path: Path) -> None:
    file = tmp_path / "todo.json"
    body = conceptmap.unfilled("north", [("urn:hie:system:99LAB", "GLU"), (NO_SYSTEM, "K"), ("HL70069", "MED")])
    file.write_text(json.dumps(body))
    read = tables.read(file)
    assert not read.errors
    assert not read.rows
    body["group"][-1]["target"] = LOINC
    body["group"][-1]["element"][0]["target"] = [{"code": "2345-7", "display": "Glucose", "equivalence": "equivalent"}]
    file.write_text(json.dumps(body))
    assert compiled(file).maps["99LAB"]["GLU"] == GLUCOSE
