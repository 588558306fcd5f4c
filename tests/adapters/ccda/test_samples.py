"""The samples of the adapter against their golden records. `python -m tests.adapters.ccda.test_samples` writes them anew."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest

from adapters.ccda.decode import decode
from hie.fhir.digits import dumps
from tests.adapters.ccda.document import CONTEXT

SAMPLES = Path(__file__).parents[3] / "adapters/ccda/samples"


def golden(path: Path) -> bytes:
    """The record of a sample as the reviewed file holds it."""
    (record,) = decode(path.read_bytes(), CONTEXT)
    found = {
        "event": record.event,
        "patient": record.patient,
        "resources": record.resources,
        "sources": [list(each) for each in record.sources],
        "warnings": [list(each) for each in record.warnings],
        "unmapped": [list(each) for each in record.unmapped],
    }
    return dumps(found, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


@pytest.mark.parametrize("path", sorted(SAMPLES.glob("*.xml")), ids=lambda p: p.stem)
def test_a_sample_gives_its_golden_record(path: Path) -> None:
    assert golden(path) == path.with_suffix(".json").read_bytes()


if __name__ == "__main__":
    for sample in SAMPLES.glob("*.xml"):
        sample.with_suffix(".json").write_bytes(golden(sample))
