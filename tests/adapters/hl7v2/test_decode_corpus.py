"""Every message of the public corpus: decoded or a named rejection, valid R4, every segment accounted for."""

from __future__ import annotations

import os
import re
from contextlib import suppress
from pathlib import Path

import pytest

from adapters.hl7v2.decode import decode
from adapters.hl7v2.reader import read
from hie.errors import DecodeError
from hie.fhir.validate import issues, valid
from hie.model import FeedContext, Record

CORPUS = Path(os.environ.get("HIE_CORPUS", Path(__file__).parents[4] / "shared" / "corpus")) / "hl7v2"
FILES = sorted(p for p in CORPUS.glob("*/*") if p.suffix.lower() in (".hl7", ".txt") and p.parent.name != "licences")
needs_corpus = pytest.mark.skipif(not FILES, reason="the public corpus is not here (HIE_CORPUS)")
FOLDERS = sorted({p.parent.name for p in FILES}) or ["none"]


def decoded(path: Path) -> list[Record]:
    found: list[Record] = []
    with suppress(DecodeError):
        found.extend(decode(path.read_bytes(), FeedContext()))
    return found


@needs_corpus
@pytest.mark.invariant(7)
@pytest.mark.parametrize("folder", FOLDERS)
def test_every_file(folder: str) -> None:
    for path in (p for p in FILES if p.parent.name == folder):
        records = decoded(path)
        for record in records:
            assert valid(record.resources) or issues(record.resources) == [], path.name
            assert not [w.where for w in record.warnings if w.code == "segment-failed"], path.name
            ids = [f"{r['resourceType']}/{r['id']}" for r in record.resources]
            assert len(ids) == len(set(ids))
        assert [repr(r) for r in decoded(path)] == [repr(r) for r in records] or len(records) > 100


@needs_corpus
@pytest.mark.invariant(7)
def test_every_segment_has_a_source_or_is_listed() -> None:
    for path in FILES:
        if path.stat().st_size > 200_000:
            continue
        try:
            messages = list(read(path.read_bytes()))
        except DecodeError:
            continue
        records = decoded(path)
        if len(messages) != 1:
            continue
        covered = {s.where for r in records for s in r.sources}
        named = {re.sub(r"-\d.*", "", u.where) for r in records for u in r.unmapped}
        for segment in messages[0].segments:
            if any(segment.fields[1:]):
                assert segment.where in covered or segment.where in named or segment.name in named, (
                    path.name,
                    segment.where,
                )


@needs_corpus
def test_sampled_outputs_satisfy_another_validator() -> None:
    """fhir.resources R4B over a fixed sample: every twentieth file."""
    from fhir.resources.R4B import get_fhir_model_class

    for path in FILES[::20]:
        for record in decoded(path)[:2]:
            for resource in record.resources:
                get_fhir_model_class(resource["resourceType"]).model_validate(resource)
