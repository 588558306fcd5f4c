"""Local codes and unread fields become a work list by sender: nothing waits for it, and it holds no content."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest
from sqlalchemy import select

from hie import settings
from hie.cli import main
from hie.pipeline import Pipeline
from hie.record import body
from hie.store import tables, unmapped
from hie.worklist import waiting, worklist
from tests.databases import Database
from tests.invariants.bench import Bench

GLUCOSE = "http://loinc.org|2345-7"


@pytest.fixture
def bench(tmp_path: Path, database: Database) -> Iterator[Bench]:
    made = Bench(tmp_path, database=database)
    yield made
    made.close()


def report(*obx: str, sender: str = "LIS", control: str = "C1", more: str = "") -> bytes:
    lines = [
        rf"MSH|^~\&|{sender}|NORTH|HIE|R|20260105101500-0500||ORU^R01^ORU_R01|{control}|P|2.5.1",
        "PID|1||551^^^NORTH^MR||Fields^Ada||19800101|F",
        "OBR|1||F1|24323-8^Panel^LN|||20260105081500-0500|||||||||||||||20260105091500-0500|||F",
        *(f"OBX|{n}|NM|{each}||5|mg/dL|||||F" for n, each in enumerate(obx, 1)),
    ]
    return "\r".join([*lines, *filter(None, [more]), ""]).encode()


def entries(bench: Bench) -> dict[tuple[str, str, str, str], int]:
    """(kind, sender, system, code) -> times."""
    with bench.reader.connect() as connection:
        found = unmapped.listed(connection)
    return {(e.key.kind, e.key.sender, e.key.system, e.key.code): e.seen for e in found}


def codes(bench: Bench) -> dict[tuple[str, str], int]:
    return {(system, code): n for (kind, _, system, code), n in entries(bench).items() if kind == "code"}


def configured(bench: Bench, text: str) -> settings.Settings:
    """The node's configuration with more said of the feed `north`, taken on."""
    file = next(bench.settings.directory.glob("hie.yaml"))
    file.write_text(file.read_text().replace("  - name: north\n", f"  - name: north\n    {text}\n", 1))
    bench.settings = settings.load(file)
    old = bench.pipeline
    bench.pipeline = Pipeline(bench.settings, old.identity, old.router, old.trail)
    return bench.settings


def test_codes_are_counted_by_sender_and_system(bench: Bench) -> None:
    bench.arrive(report("GLU^Glucose^99LAB", "NA^Sodium^99LAB"))
    bench.arrive(report("GLU^Glucose^99LAB", sender="OTHER"))
    assert {k: n for k, n in entries(bench).items() if k[0] == "code"} == {
        ("code", "LIS|NORTH", "urn:hie:system:99LAB", "GLU"): 1,
        ("code", "LIS|NORTH", "urn:hie:system:99LAB", "NA"): 1,
        ("code", "OTHER|NORTH", "urn:hie:system:99LAB", "GLU"): 1,
    }


def test_a_standard_code_beside_the_local_one_is_its_translation(bench: Bench) -> None:
    bench.arrive(report("GLU^Glucose^99LAB^2345-7^Glucose^LN", "2951-2^Sodium^LN"))
    assert codes(bench) == {}


def test_a_code_without_system_stands_under_its_field_or_table(bench: Bench) -> None:
    bench.arrive(report("K^Potassium", more="PV1|1|I||||||||XQ7|||||||||V9^^^NORTH"))
    assert codes(bench) == {("OBX-3", "K"): 1, ("HL70069", "XQ7"): 1}


def test_a_value_that_fhir_has_no_word_for_is_listed_though_it_reached_no_resource(bench: Bench) -> None:
    bench.arrive(report("2951-2^Sodium^LN").replace(b"19800101|F", b"19800101|ZZ"))
    assert codes(bench) == {("HL70001", "ZZ"): 1}


def test_what_does_not_look_like_a_code_is_counted_and_not_kept(bench: Bench) -> None:
    free = [
        "Jane Doe^x^99LAB",
        "123-45-6789^x^99LAB",
        "19800101^x^99LAB",
        "jane@home.example^x^99LAB",
        "DOE,JANE^x^99LAB",
    ]
    bench.arrive(report(*free, "x" * 60 + "^y^99LAB"))
    assert codes(bench) == {("urn:hie:system:99LAB", "?"): 1}


def test_a_field_that_nothing_reads_is_counted_without_its_ordinal(bench: Bench) -> None:
    bench.arrive(report("2951-2^Sodium^LN", more="ZPD|a|b\rZPD|c"))
    fields = {code: n for (kind, _, _, code), n in entries(bench).items() if kind == "field"}
    assert fields == {"ZPD-1": 2, "ZPD-2": 1}


def test_the_message_goes_on_and_the_counts_follow(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    writes: list[int] = []
    write = unmapped._write
    monkeypatch.setattr(unmapped, "_write", lambda c, counts, now: (writes.append(len(counts)), write(c, counts, now)))
    for n in range(5):
        applied = bench.arrive(report("GLU^Glucose^99LAB", control=f"C{n}"))
        assert [reason for _, _, reason in applied.outcomes] == ["routed"]
    assert writes == [1]  # the first with its message; what repeats waits
    monkeypatch.setattr(unmapped, "EVERY", 0.0)
    bench.arrive(report("GLU^Glucose^99LAB", control="C9"))
    assert codes(bench) == {("urn:hie:system:99LAB", "GLU"): 6}


def test_a_sender_of_anything_does_not_fill_the_list(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unmapped, "MOST", 10)
    chance = random.Random(7)
    for n in range(4):
        bench.arrive(report(*(f"R{chance.randrange(10**6)}^x^99LAB" for _ in range(5)), control=f"C{n}"))
    found = codes(bench)
    assert len(found) == 11
    assert found["", unmapped.MORE] >= 5


def test_a_table_put_in_place_answers_the_list_and_translates_what_comes(bench: Bench) -> None:
    bench.arrive(report("GLU^Glucose^99LAB", "XYZ^x^99LAB"))
    (bench.settings.directory / "lab.tsv").write_text("99LAB\tGLU\tLN\t2345-7\tGlucose\n99LAB\tXYZ\t-\n")
    configured(bench, "codes: [lab.tsv]")
    with bench.reader.connect() as connection:
        found = worklist(connection, bench.settings)
    assert [(i.code, i.answered) for i in found if i.kind == "code"] == [("GLU", True), ("XYZ", True)]
    assert waiting(found) == []
    bench.arrive(report("GLU^Glucose^99LAB", control="C2"))
    with bench.reader.connect() as connection:
        packed = (
            connection.execute(select(tables.record.c.body).order_by(tables.record.c.message_id.desc()))
            .scalars()
            .first()
        )
    unpacked = body.unpack(packed)
    sent = [c for r in unpacked["resources"] if r["resourceType"] == "Observation" for c in r["code"]["coding"]]
    assert [f"{c['system']}|{c['code']}" for c in sent] == [GLUCOSE, "urn:hie:system:99LAB|GLU"]


def test_a_field_with_a_rule_is_answered(bench: Bench) -> None:
    bench.arrive(report("2951-2^Sodium^LN", more="ZPD|a|b"))
    configured(bench, "overrides: {fields: {ZPD-1: structure}}")
    with bench.reader.connect() as connection:
        found = {i.code: i.answered for i in worklist(connection, bench.settings)}
    assert found == {"ZPD-1": True, "ZPD-2": False}


@pytest.mark.parametrize("format", ["tsv", "conceptmap"])
def test_the_exported_file_can_be_filled_in_and_put_in_place(
    bench: Bench, capsys: pytest.CaptureFixture[str], format: str
) -> None:
    bench.arrive(report("GLU^Glucose^99LAB", "K^Potassium", "NEVER MIND^x^99LAB"))
    config = bench.settings.directory / "hie.yaml"
    assert main(["codes", "export", "--config", str(config), "--feed", "north", "--format", format]) == 0
    text = capsys.readouterr().out
    if format == "tsv":
        lines = [line.split("\t") for line in text.splitlines()]
        assert [line[:2] for line in lines[1:]] == [["OBX-3", "K"], ["urn:hie:system:99LAB", "GLU"]]
        name, filled = (
            "north.tsv",
            "\n".join("\t".join([*line[:2], "LN", "2345-7", "", *line[5:]]) for line in lines[1:]),
        )
    else:
        made = orjson.loads(text)
        for group in made["group"]:
            group["target"] = "http://loinc.org"
            for element in group["element"]:
                element["target"] = [{"code": "2345-7", "equivalence": "equivalent"}]
        name, filled = "north.json", orjson.dumps(made).decode()
    (bench.settings.directory / name).write_text(filled)
    configured(bench, f"codes: [{name}]")
    capsys.readouterr()
    assert main(["codes", "list", "--config", str(config), "--json"]) == 0
    assert [i["code"] for i in orjson.loads(capsys.readouterr().out)["items"]] == ["?"]
    assert main(["codes", "list", "--config", str(config), "--answered"]) == 0
    said = capsys.readouterr().out
    assert "GLU" in said
    assert "NEVER" not in said
