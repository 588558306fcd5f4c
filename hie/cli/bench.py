"""Measures the whole pipeline on this machine: real sockets, durable settings, four subscribers of which one matches, its
sink and the load generator aboard. Prints one JSON object. Refuses a file system that keeps nothing (tmpfs).

examples: hie bench --seconds 20 --connections 32 --population 100000
          hie bench --database postgresql://postgres@127.0.0.1:5432/postgres --engines 2
"""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson

MIXES = {"adt": ("A01", "A08", "A08", "A08"), "oru": ("ORU",), "mixed": ("A01", "A08", "ORU", "A08")}
CONFIG = """\
name: bench
var: var
database: "{database}"
http: {{port: {http}}}
workers: {{pool: {pool}, engines: {engines}}}
participants:
  - {{name: clinic}}
  - {{name: hospital, types: [hospital]}}
  - {{name: payer}}
  - {{name: agency}}
  - {{name: specialist}}
feeds:
  - name: clinic
    participant: clinic
    timezone: America/Chicago
    source: {{kind: mllp, port: {mllp}}}
subscribers:
  - name: hospital
    participant: hospital
    purpose: TREAT
    encoder: original
    sink: {{kind: mllp, host: 127.0.0.1, port: {sink}}}
  - {{name: payer, participant: payer, purpose: HPAYMT, encoder: bundle, sink: {{kind: fhir, url: "http://127.0.0.1:9/fhir"}}, subscriptions: [{{events: ["DFT^*"]}}]}}
  - {{name: agency, participant: agency, purpose: PUBHLTH, encoder: original, sink: {{kind: mllp, host: 127.0.0.1, port: 9}}, subscriptions: [{{events: ["VXU^*"]}}]}}
  - {{name: specialist, participant: specialist, purpose: TREAT, encoder: original, sink: {{kind: mllp, host: 127.0.0.1, port: 9}}, subscriptions: [{{events: ["SIU^*"]}}]}}
"""


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--seconds", type=float, default=15)
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--mix", choices=sorted(MIXES), default="mixed")
    parser.add_argument("--population", type=int, default=1000, help="persons known before the first message")
    parser.add_argument("--pool", type=int, default=1, help="decoding processes")
    parser.add_argument("--engines", type=int, default=1, help="engine processes; more than one needs --database")
    parser.add_argument(
        "--database",
        default="",
        metavar="URL",
        help="a PostgreSQL server: a database is made on it for the run and dropped (default: SQLite)",
    )
    parser.add_argument("--directory", type=Path, help="where the state lies while it runs (default: under ./var)")


def run(arguments: argparse.Namespace) -> int:
    from hie.errors import ConfigurationError, HieError
    from hie.simulation.usage import file_system

    if not (arguments.seconds > 0 and arguments.connections > 0 and arguments.pool > 0 and arguments.population >= 0):
        text = "--seconds, --connections and --pool have to be positive"
        raise ConfigurationError(text, code="usage")
    parent = arguments.directory or Path("var")
    parent.mkdir(parents=True, exist_ok=True)
    kind = file_system(parent)
    if kind in ("tmpfs", "ramfs"):
        raise HieError(
            f"{parent} is {kind}: a commit there costs nothing and proves nothing",
            code="not-durable",
            hint="--directory",
        )
    with (
        tempfile.TemporaryDirectory(prefix="bench-", dir=parent) as directory,
        _database(arguments.database) as database,
    ):
        found = asyncio.run(_bench(arguments, Path(directory).resolve(), database))
    found["file_system"] = kind
    sys.stdout.write(orjson.dumps(found, option=orjson.OPT_INDENT_2).decode() + "\n")
    return 0 if found["lost"] == 0 and found["out_of_order"] == 0 else 1


@contextmanager
def _database(url: str) -> Iterator[str]:
    if not url:
        yield ""
        return
    import psycopg

    from hie.errors import StoreUnavailable
    from hie.simulation.server import temporary_database

    try:
        with temporary_database(url) as made:
            yield made
    except psycopg.OperationalError as error:
        raise StoreUnavailable(f"no database could be made there ({type(error).__name__})", hint="--database") from None


async def _bench(arguments: argparse.Namespace, directory: Path, database: str) -> dict[str, Any]:
    from hie.simulation.ledger import CountingSink, percentile
    from hie.simulation.population import populate
    from hie.simulation.process import NodeProcess, free_port
    from hie.simulation.server import ServerCpu
    from hie.simulation.storage import ratios, stored
    from hie.simulation.usage import cpu_seconds, pss_megabytes, tree

    sink = CountingSink()
    sink_port = await sink.start("127.0.0.1", 0)
    mllp, http = free_port(), free_port()
    config = directory / "hie.yaml"
    config.write_text(
        CONFIG.format(
            http=http, mllp=mllp, sink=sink_port, pool=arguments.pool, engines=arguments.engines, database=database
        )
    )
    loaded = populate(config, arguments.population)
    before = stored(directory / "var") if not database else {}
    node = NodeProcess(config, directory / "node.log")
    start_seconds = await asyncio.to_thread(node.start, [mllp, http])
    try:
        load = Load(arguments, mllp)
        commits = _commits(directory / "var")
        server = ServerCpu(database) if database else None
        cpu = cpu_seconds(node.pid)
        shares = _by_process(directory / "var")
        await load.run()
        ended = time.perf_counter()
        wanted = set(load.acknowledged)
        while wanted - sink.first.keys() and time.perf_counter() - ended < 30:
            await asyncio.sleep(0.02)
        drained = max(0.0, max(sink.first.values(), default=ended) - ended)
        cpu = cpu_seconds(node.pid) - cpu
        of_server = server.stop() if server is not None else 0.0
        shares = {name: spent - shares.get(name, 0.0) for name, spent in _by_process(directory / "var").items()}
        commits = _commits(directory / "var") - commits
        processes = len(tree(node.pid))
        memory = pss_megabytes(node.pid)
    finally:
        await asyncio.to_thread(node.stop)
        await sink.stop()
    wall = load.ended - load.started
    latencies = [sink.first[c] - load.sent[c] for c in wanted if c in sink.first]
    return {
        "accepted": len(wanted),
        "accepted_per_s": round(len(wanted) / wall, 1),
        "delivered_per_s": round(len(wanted & sink.first.keys()) / (wall + drained), 1),
        "drained_s": round(drained, 2),
        "ack_ms": {"p50": percentile(load.latencies, 0.5), "p99": percentile(load.latencies, 0.99)},
        "received_to_delivered_ms": {"p50": percentile(latencies, 0.5), "p99": percentile(latencies, 0.99)},
        "cpu_s_per_1000": round((cpu + of_server) / max(1, len(wanted)) * 1000, 3),
        "cpu_s_per_1000_by_process": {
            n: round(s / max(1, len(wanted)) * 1000, 3) for n, s in {**shares, "database": of_server}.items()
        },
        "load_generator_cpu_s_per_1000": round(load.own_cpu / max(1, len(wanted)) * 1000, 3),
        "peak_pss_mb": round(memory, 1),
        "start_to_listening_s": round(start_seconds, 2),
        "stored_per_byte": ratios(before, stored(directory / "var"), load.bytes) if not database else {},
        "fsyncs": commits,
        "processes": processes,
        "population": loaded,
        "connections": arguments.connections,
        "mix": arguments.mix,
        "lost": len(wanted - sink.first.keys()),
        "duplicated": sink.duplicates,
        "out_of_order": sink.out_of_order,
        "refused": load.refused,
    }


def _by_process(var: Path) -> dict[str, float]:
    from hie.simulation.usage import cpu_seconds

    return {file.stem: cpu_seconds(int(file.read_text())) for file in sorted((var / "run").glob("*.pid"))}


def _commits(var: Path) -> int:
    """Durable commits so far: each ends in one fsync of a write-ahead log."""
    from hie.simulation.commits import commits

    return commits(var)


class Load:
    """N connections, one outstanding message each, for a number of seconds. A patient belongs to one connection."""

    def __init__(self, arguments: argparse.Namespace, port: int) -> None:
        self.connections: int = arguments.connections
        self.seconds: float = arguments.seconds
        self.mix = MIXES[arguments.mix]
        self.port = port
        self.latencies: list[float] = []
        self.sent: dict[str, float] = {}
        self.acknowledged: list[str] = []
        self.refused = 0
        self.bytes = 0
        self.own_cpu = 0.0
        self.started = self.ended = 0.0

    async def run(self) -> None:
        cpu = time.process_time()
        self.started = time.perf_counter()
        await asyncio.gather(*(self._connection(i) for i in range(self.connections)))
        self.ended = time.perf_counter()
        self.own_cpu = time.process_time() - cpu

    async def _connection(self, number: int) -> None:
        from hie.simulation import messages
        from hie.simulation.people import someone
        from hie.simulation.wire import Sender

        chance = random.Random(number)
        people = [someone(chance) for _ in range(50)]
        sender = Sender("127.0.0.1", self.port)
        count = 0
        while time.perf_counter() - self.started < self.seconds:
            kind = self.mix[count % len(self.mix)]
            index = count % len(people)
            control_id = f"B-{number}-{count}"
            mrn = f"{number:03d}{index:05d}"
            sending = ("BENCH", "CLINIC")
            if kind == "ORU":
                message = messages.laboratory(
                    people[index], mrn, "CLINIC", *sending, control_id, f"{number:03d}{count:07d}", chance
                )
            else:
                message = messages.admission(
                    people[index], mrn, "CLINIC", *sending, kind, control_id, f"V{number:03d}{index:05d}"
                )
            self.bytes += len(message)
            self.sent[control_id] = at = time.perf_counter()
            code = await sender.send(message)
            self.latencies.append(time.perf_counter() - at)
            if code in (b"AA", b"CA"):
                self.acknowledged.append(control_id)
            else:
                self.refused += 1
            count += 1
        await sender.close()
