"""History by folder beside live traffic: what a live feed feels of it, and how fast the history goes.

    python -m tests.perf.bench_backfill --messages 100000 --seconds 240

A node as `hie bench` starts it (MLLP in, an MLLP sink), with a folder of batch files and single files as a second feed of
priority `backfill`. First the live feed runs alone, then beside the history, which ends early when the time is over. One
JSON object.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import tempfile
import time
from pathlib import Path
from typing import Any

import orjson

from hie.simulation import messages
from hie.simulation.ledger import CountingSink, percentile
from hie.simulation.people import someone
from hie.simulation.process import NodeProcess, free_port
from hie.simulation.usage import cpu_seconds
from hie.simulation.wire import Sender

CONFIG = """\
name: bench
var: var
http: {{port: {http}}}
participants:
  - {{name: clinic}}
  - {{name: hospital, types: [hospital]}}
feeds:
  - name: clinic
    participant: clinic
    timezone: America/Chicago
    source: {{kind: mllp, port: {mllp}}}
  - name: history
    participant: clinic
    timezone: America/Chicago
    priority: {priority}
    source: {{kind: files, folder: in, settle_seconds: 0.5}}
subscribers:
  - name: hospital
    participant: hospital
    purpose: TREAT
    encoder: original
    sink: {{kind: mllp, host: 127.0.0.1, port: {sink}}}
"""
PEOPLE = 5000
SENDING = ("CLINIC", "BENCH", "CLINIC")


def write_history(folder: Path, count: int, batch: int, singles: int) -> None:
    """`count` messages: `singles` of them in files of their own, the rest in files of `batch`."""
    chance = random.Random(1)
    people = [someone(chance) for _ in range(PEOPLE)]

    def message(n: int) -> bytes:
        mrn = f"H{n % PEOPLE:06d}"
        return messages.admission(people[n % PEOPLE], mrn, *SENDING, "A08", f"H-0-{n}", f"V{mrn}")

    at = 0
    while at < count:
        size = 1 if at < singles else min(batch, count - at)
        (folder / f"{at:07d}.hl7").write_bytes(b"".join(message(n) for n in range(at, at + size)))
        at += size


class Live:
    """One clinic, one message at a time, `pace` seconds apart."""

    def __init__(self, port: int, sink: CountingSink, name: str) -> None:
        self.sink, self.name = sink, name
        self.sender = Sender("127.0.0.1", port)
        self.people = [someone(random.Random(2)) for _ in range(50)]
        self.answers: list[float] = []
        self.sent: dict[str, float] = {}

    async def run(self, seconds: float, pace: float) -> dict[str, Any]:
        ended = time.perf_counter() + seconds
        while time.perf_counter() < ended:
            n = len(self.sent)
            control_id, mrn = f"{self.name}-0-{n}", f"{self.name}{n % 50:04d}"
            raw = messages.admission(self.people[n % 50], mrn, *SENDING, "A08", control_id, f"V{mrn}")
            self.sent[control_id] = began = time.perf_counter()
            await self.sender.send(raw)
            self.answers.append(time.perf_counter() - began)
            await asyncio.sleep(pace)
        for _ in range(600):
            if self.sent.keys() <= self.sink.first.keys():
                break
            await asyncio.sleep(0.1)
        await self.sender.close()
        took = [self.sink.first[id] - at for id, at in self.sent.items() if id in self.sink.first]
        return {
            "messages": len(self.sent),
            "lost": len(self.sent) - len(took),
            "ack_ms": {"p50": percentile(self.answers, 0.5), "p99": percentile(self.answers, 0.99)},
            "delivery_ms": {"p50": percentile(took, 0.5), "p99": percentile(took, 0.99)},
        }


async def bench(arguments: argparse.Namespace, directory: Path) -> dict[str, Any]:
    sink = CountingSink()
    port = await sink.start("127.0.0.1", 0)
    mllp, http = free_port(), free_port()
    config = directory / "hie.yaml"
    config.write_text(CONFIG.format(http=http, mllp=mllp, sink=port, priority=arguments.priority))
    (directory / "in").mkdir()
    node = NodeProcess(config, directory / "node.log")
    await asyncio.to_thread(node.start, [mllp, http], 120)
    try:
        await Live(mllp, sink, "W").run(3, arguments.pace)
        found: dict[str, Any] = {"alone": await Live(mllp, sink, "A").run(arguments.alone, arguments.pace)}
        await asyncio.to_thread(write_history, directory / "in", arguments.messages, arguments.batch, arguments.singles)
        began, cpu = time.perf_counter(), cpu_seconds(node.pid)

        def arrived() -> int:
            return sum(id.startswith("H-") for id in sink.first)

        while not arrived():
            await asyncio.sleep(0.1)
        found["beside"] = await Live(mllp, sink, "B").run(arguments.alone, arguments.pace)
        found["history_while_live"] = {"per_s": round(arrived() / (time.perf_counter() - began), 1)}
        before, at = arrived(), time.perf_counter()
        while arrived() < arguments.messages and time.perf_counter() - began < arguments.seconds:
            await asyncio.sleep(0.5)
        found["history"] = {
            "sent": arguments.messages,
            "delivered": arrived(),
            "seconds": round(time.perf_counter() - began, 1),
            "per_s_without_live": round((arrived() - before) / max(0.1, time.perf_counter() - at), 1),
            "cpu_s_per_1000": round((cpu_seconds(node.pid) - cpu) / max(1, arrived()) * 1000, 2),
            "duplicated": sink.duplicates,
            "out_of_order": sink.out_of_order,
        }
    finally:
        await asyncio.to_thread(node.stop)
        await sink.stop()
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--messages", type=int, default=3000)
    parser.add_argument("--batch", type=int, default=1000, help="messages a file")
    parser.add_argument("--singles", type=int, default=500, help="messages in files of their own, which come first")
    parser.add_argument("--alone", type=float, default=10, help="seconds of live traffic, alone and beside the history")
    parser.add_argument("--seconds", type=float, default=60, help="longest time for the history")
    parser.add_argument("--pace", type=float, default=0.05)
    parser.add_argument(
        "--priority", choices=("live", "backfill"), default="backfill", help="`live` shows what it is for"
    )
    parser.add_argument("--directory", type=Path, default=Path("var"))
    arguments = parser.parse_args()
    arguments.directory.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="backfill-", dir=arguments.directory) as directory:
        print(
            orjson.dumps(asyncio.run(bench(arguments, Path(directory).resolve())), option=orjson.OPT_INDENT_2).decode()
        )


if __name__ == "__main__":
    main()
