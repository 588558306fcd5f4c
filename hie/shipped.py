"""Where the example configurations lie: `config/` of a checkout, `hie/examples` of an installed wheel."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path


def examples() -> Path:
    inside = Path(str(files("hie")))
    beside = inside.parent / "config"
    return beside if beside.is_dir() else inside / "examples"
