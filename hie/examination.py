"""A configuration looked at as a whole, before anything is done with it: `hie check`, `hie run`, `hie reload` and
`hie doctor` find the same things wrong with the same file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from hie import advice
from hie.errors import ConfigurationError
from hie.settings import Reading, Settings, read


@dataclass(frozen=True, slots=True)
class Examination:
    """Usable only where there are no errors. Warnings have the same shape."""

    reading: Reading
    errors: list[ConfigurationError]
    warnings: list[ConfigurationError]

    @property
    def settings(self) -> Settings | None:
        """None where none can be built."""
        return self.reading.settings

    def accepted(self) -> Settings:
        """Raises the first error."""
        for error in self.errors:
            raise error
        assert self.settings is not None
        return self.settings


def examine(file: Path) -> Examination:
    reading = read(file)
    settings, errors = reading.settings, list(reading.errors)
    if settings is not None and not any(error.code == "no-roster" for error in errors):
        errors += advice.policy_errors(settings)
    if settings is None or errors:
        return Examination(reading, errors, [])
    found = [reading.at(one) for one in advice.warnings(settings)]
    return Examination(reading, errors, [*found, *advice.roster_warnings(settings), *settings.dialects.warnings])
