"""The configuration a command works with: the file named, else the built-in default."""

from __future__ import annotations

from pathlib import Path

from hie import settings


def settings_of(file: Path | None) -> settings.Settings:
    """Raises ConfigurationError for the first thing wrong in the file."""
    if file is not None:
        return settings.load(file)
    return settings.Settings.model_validate(
        {
            "var": Path("var").resolve(),
            "directory": Path.cwd(),
            "participants": [{"name": "local", "title": "This site"}],
            "feeds": [{"name": "default", "participant": "local", "source": {"kind": "mllp"}}],
        }
    )
