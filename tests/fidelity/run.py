"""The command `hie decode`, seen from outside: its lines, and whether a second run gives the same bytes."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any


def decode(kind: str, path: Path) -> bytes:
    """Standard output of `hie decode --format kind path`."""
    done = subprocess.run(
        [sys.executable, "-m", "hie", "decode", "--format", kind, str(path)], capture_output=True, check=False
    )
    if done.returncode > 1 or done.stderr.startswith(b"Traceback"):
        raise RuntimeError(f"hie decode ended with {done.returncode}: {done.stderr[-400:].decode('utf-8', 'replace')}")
    return done.stdout


def lines(output: bytes) -> Iterator[dict[str, Any]]:
    for line in output.splitlines():
        yield json.loads(line)
