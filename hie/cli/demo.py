"""A whole region on one machine: three clinics send real traffic to a node on the embedded default, four subscribers take
what they may have. Shows it live, kills the intake process in the middle, and ends with what happened, asked of the node.

example: hie demo --seed 7 --once
"""

from __future__ import annotations

import argparse
import asyncio
import random
import re
import shutil
import sys
from pathlib import Path


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--seed", type=int, help="another seed, other people (default: a new one each time)")
    parser.add_argument("--once", action="store_true", help="end when the story has been told")
    parser.add_argument("--directory", type=Path, default=Path("var/demo"), help="state of the demo; removed first")


def run(arguments: argparse.Namespace) -> int:
    from hie.simulation.demo import play

    seed = random.randrange(1, 10_000) if arguments.seed is None else arguments.seed
    directory = arguments.directory.resolve()
    if directory.exists():
        shutil.rmtree(directory)
    directory.mkdir(parents=True)
    config = _configuration(directory)
    return asyncio.run(play(config, directory, seed, arguments.once))


def _configuration(directory: Path) -> Path:
    """The demo's configuration copied beside its state, with free ports where the usual ones are taken."""
    from hie.shipped import examples
    from hie.simulation.process import free_port, listening

    source = examples() / "demo"
    target = directory / "config"
    shutil.copytree(source, target)
    found = sorted({port for file in target.rglob("*.yaml") for port in _ports(file.read_text())})
    moved = {port: free_port() for port in found if listening(port)}
    for file in target.rglob("*.yaml"):
        text = file.read_text().replace("var: ../../var/demo", f"var: {directory / 'var'}")
        for old, new in moved.items():
            text = re.sub(rf"(port: |127\.0\.0\.1:){old}\b", rf"\g<1>{new}", text)
        file.write_text(text)
    if moved:
        print("ports in use, others taken: " + ", ".join(f"{a} -> {b}" for a, b in moved.items()), file=sys.stderr)
    return target / "hie.yaml"


def _ports(text: str) -> set[int]:
    return {int(port) for port in re.findall(r"(?:port: |127\.0\.0\.1:)(\d+)", text)}
