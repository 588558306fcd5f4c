"""Writes an example configuration to start from: a region in readable files, with its policy and the cases beside it.

example: hie init ./region
"""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "directory", type=Path, metavar="DIR", help="made if it does not exist; must be empty if it does"
    )


def run(arguments: argparse.Namespace) -> int:
    from hie.errors import ConfigurationError
    from hie.shipped import examples

    target: Path = arguments.directory
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise ConfigurationError("is not an empty directory", file=str(target), code="not-empty", hint="name a new one")
    shutil.copytree(examples() / "demo", target, dirs_exist_ok=True)
    main = target / "hie.yaml"
    main.write_text(main.read_text().replace("var: ../../var/demo", "var: var").replace("name: demo", "name: region"))
    print(f"{target}: change participants.yaml, feeds/ and subscribers/, then:")
    for line in ("hie check", "hie doctor", "hie run"):
        print(f"  {line} --config {main}")
    return 0
