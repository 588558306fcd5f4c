"""The node of the fault table: the usual one and the feeds that the rows need, and what a row may ask of it."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from tests.adapters.hl7v2.mllp_authority import Authority
from tests.adapters.hl7v2.mllp_bench import Sender, code, err
from tests.node import Site, free_port

FEEDS = """\
feeds:
  - name: lenient
    participant: north-clinic
    authorities: {{NORTH: "urn:oid:2.16.840.1.113883.3.9999.1"}}
    source: {{kind: mllp, port: {lenient}, no_start: accept, acknowledge: original, reconnect: replace}}
  - name: decoded
    participant: north-clinic
    authorities: {{NORTH: "urn:oid:2.16.840.1.113883.3.9999.1"}}
    source: {{kind: mllp, port: {decoded}, ack: after-decode, decode_seconds: 30}}
  - name: quick
    participant: north-clinic
    source:
      {{kind: mllp, port: {quick}, first_byte_seconds: 1, inter_byte_seconds: 1, frame_seconds: 3, idle_seconds: 2}}
  - name: sealed
    participant: north-clinic
    source:
      kind: mllp
      port: {sealed}
      tls:
        certificate: tls/trusted.localhost.pem
        key: tls/trusted.localhost.key
        client_ca: tls/trusted.ca.pem
        names: [clinic-a]
        handshake_seconds: 2
"""
NAMES = ("lenient", "decoded", "quick", "sealed")


class TableSite(Site):
    """Certificates lie beside the configuration file, named from there."""

    def __init__(self, directory: Path, **options: Any) -> None:
        super().__init__(directory, **options)
        extra = {name: free_port() for name in NAMES}
        self.feeds = {"north": self.north, "river": self.river, **extra}
        (directory / "tls").mkdir(exist_ok=True)
        self.trusted = Authority(directory / "tls", "trusted")
        self.stranger = Authority(directory / "tls", "stranger")
        self.trusted.issue("localhost")
        (directory / "table.yaml").write_text(FEEDS.format(**extra))
        self.config.write_text("include: [table.yaml]\n" + self.config.read_text())
        self._dialled: list[Sender] = []

    async def play(self, script: Callable[[TableSite], Awaitable[list[str]]]) -> list[str]:
        """The facts of a row. Its connections end with it."""
        try:
            return await script(self)
        finally:
            for sender in self._dialled:
                sender.reset()
                with suppress(OSError):
                    await sender.writer.wait_closed()
            self._dialled.clear()

    async def dial(self, feed: str = "north", address: str = "127.0.0.1", **options: Any) -> Sender:
        port = self.feeds[feed]
        streams = await asyncio.open_connection("127.0.0.1", port, limit=1 << 20, local_addr=(address, 0), **options)
        self._dialled.append(Sender(*streams))
        return self._dialled[-1]

    async def knock(self, name: str = "clinic-a") -> Sender:
        """A good sender over TLS."""
        context = self.trusted.client(self.trusted.issue(name))
        return await self.dial("sealed", ssl=context, server_hostname="localhost")

    def counted(self, name: str, **labels: str) -> float:
        """The value of a counter at `/metrics`."""
        with self.web("admin") as client:
            text = client.get("/metrics").text
        found = 0.0
        for line in text.splitlines():
            match = re.fullmatch(rf"{name}\{{(.*)\}} (\S+)", line)
            if match and all(f'{key}="{value}"' in match[1] for key, value in labels.items()):
                found += float(match[2])
        return found

    def became(self, control_id: str, seconds: float = 60) -> list[str]:
        """`routed`, `duplicate`, ... of every arrival under a control id, once there is one."""
        rows: list[tuple[Any, ...]] = []

        def there() -> bool:
            nonlocal rows
            rows = self.rows("SELECT outcome, reason, flags FROM message WHERE control_id = ? ORDER BY id", control_id)
            return bool(rows)

        with suppress(AssertionError):
            self.until(there, f"{control_id} has its outcome", seconds)
        return [str(row[0]) for row in rows] or ["lost"]

    def fragments(self) -> int:
        """Incomplete frames in quarantine."""
        found = self.rows("SELECT count(*) FROM message WHERE outcome = 'quarantined' AND reason = 'fragment'")
        return int(found[0][0])

    async def later(self, holds: Any, seconds: float = 30) -> bool:
        """Whether it comes to hold; asked in a thread, so that senders go on meanwhile."""
        deadline = time.monotonic() + seconds
        while not await asyncio.to_thread(holds):
            if time.monotonic() > deadline:
                return False
            await asyncio.sleep(0.05)
        return True


def told(payload: bytes) -> str:
    """`AA:C1`, `AR:C1 203`, `AE: 101 MSH^1^10`; a batch as `BHS AA:C1 AA:C2 BTS 2`."""
    if payload.startswith(b"BHS"):
        inside = [code(b"MSA" + part.split(b"\r")[0]) for part in payload.split(b"\rMSA")[1:]]
        return " ".join(["BHS", *inside, "BTS", payload.split(b"BTS|")[1].split(b"\r")[0].decode()])
    separator = payload[3:4].decode()
    segment = next(part for part in payload.split(b"\r") if part.startswith(b"MSA"))
    fields = segment.split(payload[3:4])
    said = f"{fields[1].decode()}:{fields[2].decode('latin-1')}"
    error = err(payload).split(separator)
    if len(error) > 3:
        said += f" {error[3].split('^')[0]}"
        said += f" {error[2]}" if error[2].endswith("^10") else ""
    return said


async def talk(site: TableSite, chunks: Sequence[bytes], answers: int, feed: str, controls: Sequence[str]) -> list[str]:
    """Sends, hears what comes and a moment longer, and sees what became of each message."""
    sender = await site.dial(feed)
    with suppress(ConnectionError):
        for chunk in chunks:
            await sender.say(chunk)
    if len(chunks) == 1 and len(chunks[0]) > 10_000_000:
        sender.writer.write_eof()
    heard = await sender.hear(answers, 30)
    heard += await sender.hear(1, 0.5)
    facts = [told(payload) for payload in heard]
    facts.append("closed" if await sender.closed(0.2) else "open")
    for control in controls:
        found = await asyncio.to_thread(site.became, control)
        facts.append(f"{control} {' '.join(found)}")
    return facts
