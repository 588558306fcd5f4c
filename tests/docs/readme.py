"""The parts of README.md that are printed by the product itself. `python -m tests.docs.readme` writes them anew."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
README = ROOT / "README.md"
SEED = "7"


def hie(*arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "hie", *arguments], cwd=ROOT, capture_output=True, text=True, timeout=300, check=True
    )
    return done.stdout


def demo(directory: Path) -> str:
    """The last lines of `hie demo --seed 7 --once`."""
    lines = hie("demo", "--seed", SEED, "--once", "--directory", str(directory)).splitlines()
    first = next(i for i, line in enumerate(lines) if "messages acknowledged" in line)
    return "\n".join(lines[first:])


def explain(directory: Path) -> str:
    """What `hie explain` says of the record that was withheld, after the demo."""
    config = str(directory / "config" / "hie.yaml")
    told = hie(
        *("explain", str(directory / "document.xml"), "--feed", "harbor"),
        *("--subscriber", "primary-care", "--config", config),
    )
    return next(line for line in told.splitlines() if line.startswith("primary-care"))


def block(name: str) -> str:
    """What README.md shows between its marks, without the fence."""
    found = re.search(rf"<!-- {name} -->\n```\n(.*?)```\n<!-- /{name} -->", README.read_text(), re.S)
    assert found is not None, f"README.md has no block {name}"
    return found.group(1).strip("\n")


def write(name: str, text: str) -> None:
    marks = rf"(<!-- {name} -->\n```\n).*?(```\n<!-- /{name} -->)"
    README.write_text(re.sub(marks, lambda m: f"{m[1]}{text}\n{m[2]}", README.read_text(), flags=re.S))


def steady(text: str) -> list[str]:
    """Lines without what differs from run to run: counts, times, message ids, paths."""
    text = re.sub(r"\S*/(document\.xml|config/hie\.yaml)", r"\1", text)
    text = re.sub(r" \(\d+ sent again after the crash\)|, \d+ duplicate", "", text)
    return [re.sub(r"\d+(\.\d+)?", "#", line).rstrip() for line in text.splitlines()]


if __name__ == "__main__":
    where = ROOT / "var" / "demo"
    write("demo", demo(where))
    write("explain", explain(where))
