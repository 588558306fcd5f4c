"""`python -m hie.simulation.dictionary OUT SAMPLES...`: makes a dictionary for hie.compression.

SAMPLES are files or folders: HL7 v2 messages, and JSON as the decoders, the gate and the audit write it (the golden files of the
tests, a decision a line in `.ndjson`). What was measured with it is measured on other inputs.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import zstandard

SIZE = 20_480
"""Larger ones made records no smaller and messages larger: a dictionary is of use where the next bytes are near its end."""


def main(arguments: list[str]) -> int:
    out, *paths = map(Path, arguments)
    samples: list[bytes | bytearray | memoryview[int]] = []
    decisions: list[bytes] = []
    for path in paths:
        for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
            if file.suffix == ".hl7":
                samples += _pieces(file.read_bytes())
            elif file.suffix == ".json":
                samples.extend(_resources(orjson.loads(file.read_bytes())))
            elif file.suffix == ".ndjson":
                decisions += file.read_bytes().splitlines()
    trained = zstandard.train_dictionary(SIZE, samples, level=3).as_bytes()
    # a decision is a few long sentences: whole, at the end, where they are nearest
    out.write_bytes(trained + b"".join(decisions))
    print(f"{out}: {out.stat().st_size} bytes from {len(samples)} samples and {len(decisions)} decisions")
    return 0


def _pieces(message: bytes) -> Iterator[bytes]:
    segments = message.replace(b"\r\n", b"\n").replace(b"\r", b"\n").strip().split(b"\n")
    yield b"\r".join(segments)
    yield from segments


def _resources(golden: Any) -> Iterator[bytes]:
    """A golden file is a list of records or of resources, or one of them."""
    for one in golden if isinstance(golden, list) else [golden]:
        found = one.get("resources", [one]) if isinstance(one, dict) else []
        yield orjson.dumps(found)
        yield from (orjson.dumps(resource) for resource in found)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
