"""The reader beside python-hl7: same segments, same fields, on every golden message and on the corpus where it is here."""

from __future__ import annotations

import os
from pathlib import Path

import hl7
import pytest

from adapters.hl7v2.reader import read

HERE = Path(__file__).parent
CORPUS = Path(os.environ.get("HIE_CORPUS", HERE.parents[3] / "shared" / "corpus")) / "hl7v2" / "linuxforhealth-tests"


def compare(raw: bytes) -> None:
    text = raw.decode("utf-8").lstrip("\ufeff").replace("\r\n", "\r").replace("\n", "\r").strip("\r")
    other = hl7.parse(text)
    (message,) = read(raw)
    if any(w.code in ("line-continued", "line-unreadable", "segment-name-damaged") for w in message.warnings):
        return  # not a segment by its name: read on as text here, or left out
    assert [s.name for s in message.segments] == [str(s[0]) for s in other]
    for mine, theirs in zip(message.segments, other, strict=True):
        assert [str(field).rstrip() for field in theirs][1:] == [field.rstrip() for field in mine.fields[1:]]


@pytest.mark.parametrize("path", sorted((HERE / "golden").glob("*.hl7")), ids=lambda p: p.stem)
def test_golden_messages(path: Path) -> None:
    compare(path.read_bytes())


@pytest.mark.skipif(not CORPUS.is_dir(), reason="the public corpus is not here (HIE_CORPUS)")
def test_corpus_messages() -> None:
    odd = 0
    files = sorted(CORPUS.glob("*.hl7"))
    for path in files:
        raw = path.read_bytes()
        if b"\n" in raw.replace(b"\r\n", b"") and b"\r" in raw:
            odd += 1  # lines broken inside a segment: this reader puts them together, the other does not
            continue
        compare(raw)
    assert odd < len(files) / 4
