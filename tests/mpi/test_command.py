"""`hie mpi`: files in, files out, clear refusals."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from hie.cli import main
from mpi.recordfile import COLUMNS
from tests.mpi.hard import Region


@pytest.fixture
def labelled(tmp_path: Path) -> Path:
    rows = Region(5).rows(150)
    path = tmp_path / "records.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


def table(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_link(labelled: Path, tmp_path: Path) -> None:
    clusters, review, explain = (tmp_path / name for name in ("c.csv", "r.csv", "e.ndjson"))
    assert (
        main(
            [
                "mpi",
                "link",
                str(labelled),
                "--clusters",
                str(clusters),
                "--review",
                str(review),
                "--explain",
                str(explain),
            ]
        )
        == 0
    )
    rows = table(labelled)
    found = table(clusters)
    assert [r["rid"] for r in found] == [r["rid"] for r in rows]
    assert 150 <= len({r["cluster"] for r in found}) < len(rows)
    rids = {r["rid"] for r in rows}
    questions = table(review)
    assert questions
    assert all(q["rid_a"] in rids and q["rid_b"] in rids and q["rid_a"] != q["rid_b"] for q in questions)
    weights = [float(q["weight"]) for q in questions]
    assert weights == sorted(weights, reverse=True)
    lines = [json.loads(line) for line in explain.read_text().splitlines()]
    assert [line["rid"] for line in lines] == [r["rid"] for r in rows]
    asked = next(line for line in lines if line["decision"] == "probable")
    assert asked["candidates"][0]["why"].endswith(".")


def test_same_local_id_again_is_the_same_record(tmp_path: Path) -> None:
    header = ",".join(COLUMNS)
    row = ",north,77,2024-01-01T00:00:00Z,Ann,,Ott,,F,1980-03-14,,8 Juniper Ln,,Salem,OR,97301,5035550117,,"
    other = ",north,77,2024-02-01T00:00:00Z,Desmond,,Quill,,M,1951-11-02,,1 A St,,Salem,OR,97302,,,"
    path = tmp_path / "r.csv"
    path.write_text("\n".join([header, f"a{row}", f"b{row}", f"c{other}", f"d{row.replace('77', '78')}"]))
    assert main(["mpi", "link", str(path), "--clusters", str(tmp_path / "c"), "--review", str(tmp_path / "r")]) == 0
    a, b, c, d = (r["cluster"] for r in table(tmp_path / "c"))
    assert a == b == d != c


def test_evaluate(labelled: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["mpi", "evaluate", str(labelled), "--json"]) == 0
    figures = json.loads(capsys.readouterr().out)
    assert figures["pair"]["precision"] > 0.97
    assert figures["recall_with_review"] >= figures["pair"]["recall"]
    assert main(["mpi", "evaluate", str(labelled)]) == 0
    assert "recall with review" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("content", "code"),
    [
        ("", 1),
        ("given,family\nAnn,Ott\n", 1),
        ("rid,given,family,dob\n,Ann,Ott,1980\n", 1),
        ("rid,given,family,dob\n1,Ann,Ott,1980\n1,Ann,Ott,1980\n", 1),
        ("rid,given,family,dob\n", 0),
        ("rid,given,family,dob\n1\n2,\x00,\x00,x,extra,cells\n", 0),
    ],
)
def test_odd_files(content: str, code: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "r.csv"
    path.write_text(content)
    assert main(["mpi", "link", str(path), "--clusters", str(tmp_path / "c"), "--review", str(tmp_path / "v")]) == code
    said = capsys.readouterr().err
    assert "Traceback" not in said
    assert not code or "mpi-records" in said


def test_missing_file_and_bad_model(labelled: Path, tmp_path: Path) -> None:
    assert main(["mpi", "evaluate", str(tmp_path / "none.csv")]) == 2
    model = tmp_path / "model.json"
    model.write_text("{}")
    assert main(["mpi", "evaluate", str(labelled), "--model", str(model)]) == 2


def test_bench(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["mpi", "bench", "--population", "300", "--lookups", "50"]) == 0
    figures = json.loads(capsys.readouterr().out)
    assert figures["found"] == 50
    assert figures["lookup_p99_ms"] >= figures["lookup_p50_ms"] > 0
