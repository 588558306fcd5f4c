"""Settings of the folder source and sink. The description of each field is its reference page."""

from __future__ import annotations

import re
from pathlib import Path
from string import Formatter
from typing import Annotated, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator, model_validator

_KEEP = re.compile(r"(?:forever|delete|[1-9]\d{0,4} ?(?:d|days?))\Z")
FIELDS = frozenset({"key", "event", "date", "ending"})
"""What a file name of the sink may be made of."""


def _mode(value: object) -> object:
    """YAML reads an unquoted 0640 as a number: in octal (1.1, PyYAML) or as 640."""
    return f"{value:04o}" if isinstance(value, int) and not isinstance(value, bool) else value


class _Settings(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    @field_validator("folder", mode="before", check_fields=False)
    @classmethod
    def _is_named(cls, value: object) -> object:
        if isinstance(value, str) and not value.strip():
            raise ValueError("names no folder")
        return value


class FolderSource(_Settings):
    """A folder that a sender writes into. Done files go to `done/DAY`, refused ones to `refused/DAY`, both inside it."""

    folder: Path = Field(
        description="The folder; a relative one starts at the configuration file's. It is never made: where it is missing (a "
        "share that is not mounted), it is waited for.",
    )
    patterns: tuple[str, ...] = Field(
        ("*",), description="Names that are taken, as shell patterns; upper and lower case are the same."
    )
    ignore: tuple[str, ...] = Field(
        ("*.tmp", "*.temp", "*.part", "*.partial", "*.filepart", "*.crdownload", "*.swp", "*~", "~*", "thumbs.db"),
        description="Names that are never taken: what writers use before they rename. Names that begin with a dot never are.",
    )
    marker: str = Field(
        "",
        pattern=r"^(\.[A-Za-z0-9._-]{1,16})?$",
        description="Where set (`.done`, `.ok`), a file is taken only once its marker stands beside it: `X.hl7.done` or `X.done`.",
    )
    companions: tuple[Annotated[str, Field(pattern=r"^\.[A-Za-z0-9._-]{1,16}$")], ...] = Field(
        (),
        description="Endings of files that are no messages and go along with one of the same name (`.json` beside a fax).",
    )
    settle_seconds: float = Field(
        2, ge=0, description="A file is taken once its size and time have not changed for this long."
    )
    poll_seconds: float = Field(
        1, gt=0, description="Pause between two looks at the folder. Notifications do not work on network shares."
    )
    subfolders: bool = Field(
        False, description="Whether files of subfolders are taken too. Symbolic links are never followed."
    )
    max_file_bytes: int = Field(
        64 * 1024 * 1024,
        ge=1,
        description="A larger file is refused. A file is in memory while its messages are stored.",
    )
    in_flight: int = Field(
        32,
        ge=1,
        le=1024,
        description="Messages of one file that wait for their commit at once; those of a patient go one by one.",
    )
    keep: str = Field(
        "forever",
        description="How long files stay in `done`: `forever`, `30 days`, or `delete` (once every message is stored). Refused ones stay.",
    )
    lease_seconds: float = Field(
        30,
        gt=0,
        description="One node at a time works a folder. When it has shown no life for this long, another takes over, with the file in hand.",
    )

    @field_validator("keep")
    @classmethod
    def _is_keep(cls, value: str) -> str:
        if not _KEEP.match(value):
            raise ValueError("keep is `forever`, `delete` or a number of days such as `30 days`")
        return value

    @property
    def keep_days(self) -> int | None:
        """Days that done files stay; 0: deleted at once; None: for ever."""
        return None if self.keep == "forever" else 0 if self.keep == "delete" else int(re.split(r"\D", self.keep)[0])

    @model_validator(mode="after")
    def _beats_in_time(self) -> Self:
        if self.lease_seconds < 4 * self.poll_seconds:
            raise ValueError(
                "lease_seconds must be at least four times poll_seconds, or a slow poll would lose the folder"
            )
        return self


class FolderSink(_Settings):
    """A folder that a subscriber reads. A file appears whole and under a name that holds nothing of the patient."""

    folder: Path = Field(
        description="The folder; a relative one starts at the configuration file's. It is never made: where it is missing, "
        "deliveries wait."
    )
    name: str = Field(
        "{key}.{ending}",
        description="Name of a file, from `{key}` (of the delivery; needed, since a retry must find its file), `{event}` (`ADT_A01`), "
        "`{date}` (day of the message) and `{ending}` (`hl7`, `json`). The last three are read from what is sent.",
    )
    mode: Annotated[str, BeforeValidator(_mode)] = Field(
        "0640", pattern=r"^0?[0-7]{3}$", description="Permissions of the files, in octal."
    )

    @field_validator("name")
    @classmethod
    def _is_name(cls, value: str) -> str:
        try:
            parts = list(Formatter().parse(value))
        except ValueError as error:
            raise ValueError("name has a bracket that does not close") from error
        fields = [field for _, field, _, _ in parts if field is not None]
        if any(field not in FIELDS or spec or conversion for _, field, spec, conversion in parts if field is not None):
            raise ValueError("name is made of {key}, {event}, {date} and {ending}")
        if "key" not in fields:
            raise ValueError("name needs {key}: without it a retry would be another file")
        if "/" in value or "\x00" in value or value.startswith((".", "{ending}")):
            raise ValueError("name has no slash and does not begin with a dot")
        return value
