"""How many durable acknowledgements a second the intake process gives, and what one costs.

    python tests/perf/bench_intake.py [--connections 32] [--messages 20000] [--dir var-bench] [--pipeline 1] [--database URL]

The listener runs in a process of its own; the load in this one. Prints one JSON object. `--database` is a PostgreSQL on
this machine, whose migrated tables are filled and whose own CPU is counted (all its processes', so let nobody else use it).
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import resource
import shutil
import signal
import time
from collections.abc import Mapping
from pathlib import Path


class NoMeter:
    def count(self, name: str, amount: float = 1, **labels: str) -> None: ...

    def observe(self, name: str, value: float, **labels: str) -> None: ...


def message(connection: int, number: int) -> bytes:
    """About 1.6 KB, one patient in fifty of each connection."""
    head = (
        f"MSH|^~\\&|EHR|CLINIC|HIE|REGION|20261121120000||ORU^R01^ORU_R01|B{connection}-{number}|P|2.5.1|||||USA|UNICODE UTF-8\r"
        f"PID|1||{number % 50}X{connection}^^^HOSP^MR||TESTER^ADA^Q||19700101|F|||1 ROAD^^TOWN^ST^12345||5550100\r"
        "OBR|1|A|B|24323-8^Panel^LN|||20261121\r"
    )
    lines = "".join(
        f"OBX|{n}|NM|2345-7^Glucose^LN||{n}.5|mg/dL^mg/dL^UCUM|70-99|N|||F|||20261121120000||TECH\r"
        for n in range(1, 18)
    )
    return b"\x0b" + (head + lines).encode() + b"\x1c\r"


class Sender(asyncio.Protocol):
    def __init__(self, number: int, messages: int, pipeline: int, latencies: list[float]) -> None:
        self.number, self.left, self.pipeline = number, messages, pipeline
        self.sent = 0
        self.latencies = latencies
        self.begun: list[float] = []
        self.done = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        for _ in range(min(self.pipeline, self.left)):
            self.send()

    def send(self) -> None:
        self.begun.append(time.perf_counter())
        self.transport.write(message(self.number, self.sent))  # type: ignore[attr-defined]
        self.sent += 1

    def data_received(self, data: bytes) -> None:
        for _ in range(data.count(b"\x1c\r")):
            self.latencies.append(time.perf_counter() - self.begun.pop(0))
            self.left -= 1
            if self.left - len(self.begun) > 0:
                self.send()
        if not self.left and not self.done.done():
            self.done.set_result(None)
            self.transport.close()


def serve(directory: Path, pipe: int, metered: bool, database: str) -> None:
    from adapters.hl7v2.mllp_source import serve as mllp
    from adapters.hl7v2.settings import MllpSource
    from hie.intake.process import IntakeFeed, run

    meter: object = NoMeter()
    if metered:
        from hie import metrics

        metrics.prepare(directory / "metrics")
        meter = metrics.PrometheusMeter()

    def ready(ports: Mapping[str, int]) -> None:
        os.write(pipe, str(ports["bench"]).encode())

    feed = IntakeFeed("bench", "hl7v2", "mllp", MllpSource(port=0, max_connections_per_address=1000), serve=mllp)
    wake = os.eventfd(0, os.EFD_NONBLOCK)
    asyncio.run(run([feed], directory, wake, meter, ready=ready, database_url=database))  # type: ignore[arg-type]


async def load(port: int, connections: int, messages: int, pipeline: int) -> tuple[float, list[float]]:
    loop = asyncio.get_running_loop()
    latencies: list[float] = []
    begun = time.perf_counter()
    senders = [
        (
            await loop.create_connection(
                lambda n=n: Sender(n, messages // connections, pipeline, latencies), "127.0.0.1", port
            )
        )[1]
        for n in range(connections)
    ]
    await asyncio.gather(*(sender.done for sender in senders))
    return time.perf_counter() - begun, sorted(latencies)


def measure(
    directory: Path, connections: int, messages: int, pipeline: int = 1, metered: bool = False, database: str = ""
) -> dict[str, float]:
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            serve(directory, writing, metered, database)
        finally:
            os._exit(1)
    os.close(writing)
    port = int(os.read(reading, 10))
    at_start, server_at_start = _cpu(child), _server_cpu(database)
    seconds, latencies = asyncio.run(load(port, connections, messages, pipeline))
    cpu, server = _cpu(child) - at_start, _server_cpu(database) - server_at_start
    os.kill(child, signal.SIGTERM)
    os.waitpid(child, 0)
    size = sum(path.stat().st_size for path in directory.glob("journal/*"))
    count = len(latencies)
    return {
        "connections": connections,
        "messages": count,
        "acks_per_s": round(count / seconds),
        "p50_ms": round(latencies[count // 2] * 1000, 2),
        "p99_ms": round(latencies[int(count * 0.99)] * 1000, 2),
        "intake_cpu_ms_per_message": round(cpu / count * 1000, 4),
        "server_cpu_ms_per_message": round(server / count * 1000, 4),
        "stored_bytes_per_raw_byte": round(size / (count * len(message(0, 0))), 2),
    }


def _server_cpu(database: str) -> float:
    """Of the server behind a URL: its sessions, and its own processes."""
    if not database:
        return 0.0
    import psycopg

    with psycopg.connect(database.replace("+psycopg", "", 1)) as connection:
        pids = [
            pid
            for (pid,) in connection.execute(
                "SELECT pid FROM pg_stat_activity WHERE datname = current_database() OR backend_type <> 'client backend'"
            )
        ]
    return sum(_cpu(pid) for pid in pids)


def _cpu(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--messages", type=int, default=20_000)
    parser.add_argument("--pipeline", type=int, default=1)
    parser.add_argument("--metered", action="store_true")
    parser.add_argument("--database", default="")
    parser.add_argument("--dir", type=Path, default=Path("var-bench"))
    asked = parser.parse_args()
    result = measure(asked.dir, asked.connections, asked.messages, asked.pipeline, asked.metered, asked.database)
    shutil.rmtree(asked.dir, ignore_errors=True)
    print(json.dumps({**result, "client_cpu_s": round(resource.getrusage(resource.RUSAGE_SELF).ru_utime, 2)}))
