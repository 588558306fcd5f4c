"""What `hie check` says of folders that belong to two."""

from __future__ import annotations

from pathlib import Path

import pytest

from hie.settings import problems

CONFIG = """\
participants: [{{name: clinic, types: [clinic]}}, {{name: registry}}]
feeds:
  - {{name: one, participant: clinic, source: {{kind: files, folder: in}}}}
  - {{name: two, participant: clinic, source: {{kind: files, folder: {two}}}}}
subscribers:
  - {{name: registry, participant: registry, purpose: PUBHLTH, encoder: original, sink: {{kind: files, folder: {out}}}}}
"""


@pytest.mark.parametrize(
    ("two", "out", "codes"),
    [
        ("other", "out", []),
        ("./in", "out", [(4, "folder-twice")]),
        ("other", "x/../in", [(6, "folder-in-and-out")]),
    ],
)
def test_a_folder_belongs_to_one(tmp_path: Path, two: str, out: str, codes: list[tuple[int, str]]) -> None:
    (tmp_path / "hie.yaml").write_text(CONFIG.format(two=two, out=out))
    settings, found = problems(tmp_path / "hie.yaml")
    assert [(error.line, error.code) for error in found] == codes
    assert settings is not None
