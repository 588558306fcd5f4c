"""Each sample decodes to its golden output, byte for byte."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest

from adapters.fax.decode import decode
from hie.model import FeedContext

SAMPLES = sorted(f for f in Path("adapters/fax/samples").iterdir() if not f.name.endswith(".golden.json"))


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda f: f.name)
def test_sample(sample: Path) -> None:
    records = [
        {
            "event": r.event,
            "patient": r.patient,
            "resources": r.resources,
            "warnings": [list(w) for w in r.warnings],
            "unmapped": [list(u) for u in r.unmapped],
            "sources": [list(s) for s in r.sources],
        }
        for r in decode(sample.read_bytes(), FeedContext(feed="sample"))
    ]
    made = orjson.dumps(records, option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS) + b"\n"
    assert made == sample.with_suffix(".golden.json").read_bytes()
