"""Which file system a path lies on, by /proc/self/mountinfo."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

MOUNTINFO = Path("/proc/self/mountinfo")


class Mount(NamedTuple):
    kind: str
    """`ext4`, `tmpfs` ...; "" where it cannot be told."""
    read_only: bool


def mount_of(path: Path, table: Path = MOUNTINFO) -> Mount:
    """Of the mount that a path lies on; the last one mounted there counts."""
    target = path.resolve()
    best, depth = Mount("", False), -1
    try:
        lines = table.read_text().splitlines()
    except OSError:
        return best
    for line in lines:
        # id parent major:minor root point options [fields] - kind source superblock-options
        before, _, after = line.partition(" - ")
        fields, rest = before.split(" "), after.split(" ")
        if len(fields) < 6 or len(rest) < 3:
            continue
        point = Path(_plain(fields[4]))
        if target.is_relative_to(point) and len(point.parts) >= depth:
            read_only = "ro" in fields[5].split(",") or "ro" in rest[2].split(",")
            best, depth = Mount(rest[0], read_only), len(point.parts)
    return best


def _plain(escaped: str) -> str:
    """The kernel writes blanks and the like as \\040."""
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), escaped)
