"""What every output must be: valid R4, whole, repeatable. Over the samples, and over the public corpus where it is."""

from __future__ import annotations

import os
import re
from functools import cache
from pathlib import Path

import pytest
from fhir.resources.R4B import get_fhir_model_class

from adapters.ccda.decode import decode
from adapters.ccda.peek import peek
from hie.errors import DecodeError
from hie.fhir.digits import dumps
from hie.model import FeedContext, Record, Resource
from tests.adapters.ccda.document import CONTEXT, references

HERE = Path(__file__).parents[3]
CORPUS = Path(os.environ.get("HIE_CORPUS", HERE.parent / "shared/corpus")) / "ccda"
SAMPLES = sorted((HERE / "adapters/ccda/samples").glob("*.xml"))
FILES = sorted(p for p in CORPUS.rglob("*") if p.suffix.lower() in (".xml", ".ccda")) if CORPUS.exists() else []
WHOLE = b"<ClinicalDocument"
HEAD = (
    b'<ClinicalDocument xmlns="urn:hl7-org:v3" xmlns:sdtc="urn:hl7-org:sdtc" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">'
    b"<component><structuredBody><component>"
)
FOOT = b"</component></structuredBody></component></ClinicalDocument>"
_DECLARATION = re.compile(rb"^\s*(?:\xef\xbb\xbf)?\s*<\?xml[^>]*\?>")

corpus = pytest.mark.skipif(not FILES, reason="no public corpus beside this checkout (HIE_CORPUS)")


def wrapped(raw: bytes) -> bytes:
    """A section or an entry of the corpus inside a document; a whole document as it is."""
    if WHOLE in raw:
        return raw
    raw = _DECLARATION.sub(b"", raw)
    if b"<section" not in raw:
        raw = b"<section><text/><entry>" + raw + b"</entry></section>"
    return HEAD + raw + FOOT


@cache
def record(path: Path) -> Record | None:
    try:
        (found,) = decode(wrapped(path.read_bytes()), CONTEXT)
    except DecodeError as refused:
        return None if refused.code in ("ccda-not-xml", "ccda-no-document") else pytest.fail(refused.code)
    return found


def invalid(resource: Resource) -> list[str]:
    try:
        get_fhir_model_class(resource["resourceType"]).model_validate(resource)
    except Exception as error:
        return [f"{resource['resourceType']}: {error}"]
    return []


def empty(value: object) -> bool:
    """Whether a value holds an empty list, object or string anywhere."""
    if isinstance(value, dict):
        return not value or any(empty(each) for each in value.values())
    if isinstance(value, list):
        return not value or any(empty(each) for each in value)
    return value is None or (isinstance(value, str) and not value.strip())


IDENTITY = {"resourceType", "id", "identifier", "subject", "patient", "status", "meta"}


def check(found: Record) -> None:
    have = {f"{r['resourceType']}/{r['id']}" for r in found.resources}
    assert len(have) == len(found.resources)
    for resource in found.resources:
        assert not empty(resource), resource["resourceType"]
        assert set(references(resource)) <= have
        if resource["resourceType"] != "Patient":
            assert resource.keys() - IDENTITY, f"a bare {resource['resourceType']}"
    assert {s.reference for s in found.sources} == have
    assert found.patient in have
    dumps(found.resources)


@pytest.mark.parametrize("path", SAMPLES, ids=lambda p: p.stem)
def test_samples_are_valid_and_whole(path: Path) -> None:
    found = record(path)
    assert found is not None
    check(found)
    assert [problem for r in found.resources for problem in invalid(r)] == []


@corpus
def test_every_document_and_fragment_gives_output() -> None:
    refused = [path.name for path in FILES if record(path) is None and path.parent.name != "hl7-ccda-examples"]
    # the one file that is broken on purpose
    assert all("BadXml" in name for name in refused), refused


@corpus
def test_every_record_is_whole() -> None:
    for path in FILES:
        found = record(path)
        if found is not None:
            check(found)
            assert not [w for w in found.warnings if w.code == "entry-failed"], path.name


@corpus
def test_little_is_unmapped() -> None:
    rows = sum(len(found.unmapped) for path in FILES if (found := record(path)))
    resources = sum(len(found.resources) for path in FILES if (found := record(path)))
    assert rows < 0.5 * resources


@corpus
@pytest.mark.slow
def test_a_sample_of_the_corpus_is_valid_r4() -> None:
    problems = []
    for path in FILES[::6]:
        found = record(path)
        for resource in found.resources if found else ():
            problems += [f"{path.name}: {problem}" for problem in invalid(resource)]
    assert problems == []


@corpus
def test_a_second_run_gives_the_same_bytes() -> None:
    for path in FILES[::9]:
        first = record(path)
        if first is not None:
            (second,) = decode(wrapped(path.read_bytes()), CONTEXT)
            assert dumps(first.resources) == dumps(second.resources)
            assert (first.sources, first.warnings, first.unmapped) == (second.sources, second.warnings, second.unmapped)


@corpus
def test_peek_agrees_with_decode() -> None:
    for path in FILES:
        raw = path.read_bytes()
        found = record(path) if WHOLE in raw else None
        if found is not None:
            keys = peek(raw)
            assert keys.event == found.event, path.name
            assert keys.control_id.decode() == found.control_id, path.name


def test_another_feed_zone_changes_only_times() -> None:
    raw = SAMPLES[0].read_bytes()
    here, there = (next(decode(raw, FeedContext(timezone=z))) for z in ("America/Chicago", "Europe/Oslo"))
    assert [r["id"] for r in here.resources if "identifier" in r] == [
        r["id"] for r in there.resources if "identifier" in r
    ]
