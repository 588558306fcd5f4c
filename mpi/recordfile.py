"""The records file of `hie mpi`: CSV with a header, one registration a row, in order of arrival; an empty cell is missing."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

from mpi.features import SSN_SYSTEM
from mpi.person import Address, Identifier, Name, Person
from mpi.registration import Registration

COLUMNS = (
    "rid", "clinic", "local_id", "updated", "given", "middle", "family", "suffix", "sex", "dob", "ssn", "street", "unit", "city", "state",
    "zip", "phone", "email", "mother_given",
)  # fmt: skip
REQUIRED = ("rid", "given", "family", "dob")


class Malformed(ValueError):
    """The file is not a records file; the text names line and column, never a value."""


def _instant(text: str, line: int) -> float:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return float(line)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def registration(row: Mapping[str, str], line: int = 0) -> Registration:
    """One row. A row without clinic or local id is a registration without an identifier of its own."""

    def cell(name: str) -> str:
        return (row.get(name) or "").strip()

    ssn, clinic, local = cell("ssn"), cell("clinic"), cell("local_id")
    middle = cell("middle")
    given = cell("given")
    name = Name((given, middle) if middle else (given,) if given else (), cell("family"), cell("suffix"))
    address = Address(cell("street"), cell("unit"), cell("city"), cell("state"), cell("zip"))
    person = Person(
        names=(name,) if given or name.family else (),
        birth_date=cell("dob"),
        sex=cell("sex"),
        identifiers=(Identifier(SSN_SYSTEM, "SS", ssn),) if ssn else (),
        addresses=(address,) if any(address) else (),
        phones=(cell("phone"),) if cell("phone") else (),
        emails=(cell("email"),) if cell("email") else (),
        mother_given=cell("mother_given"),
    )
    identifier = Identifier(f"urn:clinic:{clinic}", "MR", local) if clinic and local else None
    return Registration(clinic or "unknown", identifier, person, _instant(cell("updated"), line), cell("rid"))


def read(path: Path) -> Iterator[tuple[dict[str, str], Registration]]:
    """(row, registration) in file order. Raises Malformed: no header, a required column missing, a row without rid, a repeated rid."""
    seen: set[str] = set()
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
        reader = csv.DictReader(file, restkey="", restval="")
        missing = [name for name in REQUIRED if name not in (reader.fieldnames or ())]
        if missing:
            raise Malformed(f"the header lacks {', '.join(missing)}; it has to name: {','.join(COLUMNS)}")
        try:
            for row in reader:
                rid = (row.get("rid") or "").strip()
                if not rid:
                    raise Malformed(f"line {reader.line_num}: no rid")
                if rid in seen:
                    raise Malformed(f"line {reader.line_num}: a rid that was there before")
                seen.add(rid)
                row["rid"] = rid
                yield row, registration(row, reader.line_num)
        except csv.Error:
            raise Malformed(f"line {reader.line_num}: not readable as CSV") from None
