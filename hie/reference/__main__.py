"""Writes the pages into a folder, and takes away pages that no longer belong there.

example: python -m hie.reference docs/reference
"""

from __future__ import annotations

import sys
from pathlib import Path

from hie.reference.pages import write


def main(arguments: list[str]) -> int:
    if len(arguments) != 1:
        print("usage: python -m hie.reference DIR", file=sys.stderr)
        return 2
    for file in write(Path(arguments[0])):
        print(file)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
