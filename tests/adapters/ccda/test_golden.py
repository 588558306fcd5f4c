"""One document of every section with its whole output, read by eye against the checklist: `golden/NAME.xml` and `.json`.

`python -m tests.adapters.ccda.test_golden [NAME ...]` writes the outputs anew; read the difference before it is committed.
"""

from __future__ import annotations

import sys
from pathlib import Path

import orjson
import pytest

from hie.fhir.digits import dumps
from tests.adapters.ccda.document import read

GOLDEN = sorted((Path(__file__).parent / "golden").glob("*.xml"))


def output(document: Path) -> bytes:
    """What a document becomes, one readable JSON text."""
    record = read(document.read_bytes())
    return dumps(
        {
            "resources": record.resources,
            "warnings": [{"code": each.code, "where": each.where, "text": each.text} for each in record.warnings],
            "unmapped": [{"where": each.where, "count": each.times} for each in record.unmapped],
        },
        option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE,
    )


@pytest.mark.parametrize("document", GOLDEN, ids=lambda path: path.stem)
def test_the_output_is_the_reviewed_one(document: Path) -> None:
    assert output(document).decode() == document.with_suffix(".json").read_text("utf-8")


if __name__ == "__main__":
    for each in [path for path in GOLDEN if path.stem in sys.argv[1:] or not sys.argv[1:]]:
        each.with_suffix(".json").write_bytes(output(each))
