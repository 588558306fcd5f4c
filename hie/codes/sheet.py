"""A code table that a person edits: tab-separated, or comma-separated as a spreadsheet program saves it (`.csv`).

Columns: system, code, target system, target code, display. More columns may follow and say nothing; a line that begins
with `#` and a first line of titles are passed over. An empty target is not filled in yet; `-` says that no standard code
fits. Nothing is guessed and nothing is trimmed away but blanks around a cell.
"""

from __future__ import annotations

import csv
import io
from pathlib import Path

from hie.codes.rows import NO_SYSTEM, Row, Sheet, keys_of, target_system
from hie.errors import ConfigurationError
from hie.spelling import meant

COLUMNS = ("system", "code", "target_system", "target_code", "display")


def parse(text: str, file: Path) -> Sheet:
    """Never raises: each line that says nothing usable is an error of its own."""
    rows: list[Row] = []
    errors: list[ConfigurationError] = []
    empty: list[int] = []
    known: dict[str, bool] = {}
    comma = "," if file.suffix.lower() == ".csv" else "\t"
    if comma == "," and text.partition("\n")[0].count(";") >= len(COLUMNS) - 1:
        comma = ";"  # what a spreadsheet program writes where the comma is the decimal sign
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=comma, quoting=csv.QUOTE_MINIMAL)
    if comma == "\t":
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=comma, quoting=csv.QUOTE_NONE)

    def wrong(line: int, text: str, code: str, hint: str = "") -> None:
        errors.append(ConfigurationError(text, file=str(file), line=line, code=code, hint=hint))

    try:
        for cells in reader:
            line = reader.line_num
            cells = [cell.strip() for cell in cells]
            if not any(cells) or cells[0].startswith("#") or _titles(cells):
                continue
            if len(cells) < 2 or not cells[0] or not cells[1]:
                hint = "system, code, target system, target code, display; `-` where the code comes without a system"
                wrong(line, "lacks the system or the code that is sent", "bad-code-table", hint)
                continue
            source, code, system, target, display = (*cells, "", "", "")[:5]
            if source not in known:
                try:
                    known[source] = bool(keys_of(source, {}))
                except ValueError as error:
                    wrong(line, f"{source!r} {error}", "unknown-table")
                    continue
            if not system and not target:
                empty.append(line)
            elif system == NO_SYSTEM and target in ("", NO_SYSTEM):
                rows.append(Row(str(file), line, source, code, None))
            elif not system or not target or " " in target:
                wrong(line, "the target is a system and a code", "bad-code-table", "`-` as system: no code fits")
            else:
                try:
                    rows.append(Row(str(file), line, source, code, (target_system(system), target, display)))
                except ConfigurationError as error:
                    wrong(line, f"{system!r} {error.text}", error.code, error.hint)
    except csv.Error:
        wrong(reader.line_num, "is no line of a table", "bad-code-table", "a quote that is not closed?")
    warnings = []
    if empty:
        said = f"{len(empty)} {'row has' if len(empty) == 1 else 'rows have'} no target yet"
        warnings.append(ConfigurationError(said, file=str(file), line=empty[0], code="code-not-filled-in"))
    if not rows and not errors and not empty:
        hint = meant(file.suffix, (".tsv", ".csv", ".json")) if file.suffix else ""
        warnings.append(ConfigurationError("holds no row", file=str(file), line=1, code="empty-code-table", hint=hint))
    return Sheet(tuple(rows), tuple(errors), tuple(warnings))


def _titles(cells: list[str]) -> bool:
    return [cell.lower().replace(" ", "_") for cell in cells[:2]] in (["system", "code"], ["table", "code"])
