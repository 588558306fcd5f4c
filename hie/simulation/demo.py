"""The demo's course of events: start, consent, a day of traffic with a crash in the middle, a revocation, the story."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
from rich.console import Console
from rich.live import Live
from rich.table import Table

from hie import control, settings
from hie.access.credentials import new_password, password_hash
from hie.settings import Settings
from hie.simulation import documents
from hie.simulation.ledger import CountingSink
from hie.simulation.process import NodeProcess
from hie.simulation.region import NORTH, NORTH_URI, RIVER, Cast, Clinic, Programme, day_of, visits
from hie.simulation.story import Story, settled, tell
from hie.simulation.subscribers import FhirSubscriber
from hie.store.database import open_reader

Sinks = dict[str, CountingSink | FhirSubscriber]


class Stage:
    """Everything the demo holds open."""

    def __init__(self, config: Path, directory: Path, seed: int) -> None:
        self.settings: Settings = settings.load(config)
        self.config = config
        self.cast = Cast(seed)
        self.node = NodeProcess(config, directory / "node.log")
        self.log = directory / "node.log"
        self.sinks: Sinks = {}
        ports = {feed.name: int(feed.source["port"]) for feed in self.settings.feeds if feed.kind == "mllp"}
        self.north = Clinic("north", NORTH, "NORTHEHR", "NORTHCLINIC", ports["north"])
        self.river = Clinic("river", RIVER, "RIVERHIS", "RIVERHOSP", ports["river"])
        self.base = f"http://127.0.0.1:{self.settings.http.port}"
        self.programme: Programme | None = None
        self.password = self.officer = ""
        self.crash: dict[str, float] = {}
        self.note = "starting"

    async def start(self) -> None:
        for subscriber in self.settings.subscribers:
            if subscriber.sink["kind"] == "mllp":
                sink = CountingSink()
                sink.keep_contents = True
                await sink.start("127.0.0.1", int(subscriber.sink["port"]))
                self.sinks[subscriber.name] = sink
            else:
                server = FhirSubscriber(int(str(subscriber.sink["url"]).split(":")[2].split("/")[0]))
                await server.start()
                self.sinks[subscriber.name] = server
        ports = [self.north.port, self.river.port, self.settings.http.port]
        await asyncio.to_thread(self.node.start, ports)
        found = re.search(r"user admin, password (\S+)", self.log.read_text())
        assert found is not None, "a first start prints the administrator's password"
        self.password = found.group(1)
        # consents are a privacy officer's business, not the administrator's
        self.officer = new_password()
        officer = {"name": "officer", "roles": ["privacy-officer"], "secret": password_hash(self.officer)}
        await control.call(self.settings.var, "access", {"change": "add-user", "arguments": officer}, "cli:demo")
        secrets = self.settings.var / "secrets"
        tokens = {
            f.name: (secrets / f"{f.name}.token").read_text().strip() for f in self.settings.feeds if f.kind == "http"
        }
        self.programme = Programme(self.base, tokens)

    async def stop(self) -> None:
        await self.north.close()
        await self.river.close()
        if self.programme is not None:
            await self.programme.close()
        await asyncio.to_thread(self.node.stop)
        for sink in self.sinks.values():
            await sink.stop()

    async def api(self, method: str, path: str, body: dict[str, Any]) -> dict[str, Any]:
        async with httpx.AsyncClient(
            base_url=self.base, auth=("officer", self.officer), timeout=30, trust_env=False
        ) as web:
            answer = await web.request(method, path, json=body, headers={"Content-Type": "application/fhir+json"})
            answer.raise_for_status()
            found: dict[str, Any] = answer.json()
            return found

    def table(self) -> Table:
        """What a person watches: who sent how much, who got how much."""
        table = Table(title=f"hie demo: {self.note}", min_width=72)
        for heading in ("clinic", "sent", "acknowledged", "subscriber", "received"):
            table.add_column(heading, justify="left" if heading in ("clinic", "subscriber") else "right")
        programme = self.programme
        left = [
            ("North Clinic (MLLP)", self.north.sent, len(self.north.acknowledged)),
            ("River Hospital (MLLP)", self.river.sent, len(self.river.acknowledged)),
            (
                "Harbor Recovery (HTTP)",
                programme.sent if programme else 0,
                len(programme.acknowledged) if programme else 0,
            ),
        ]
        right = [
            (name, len(sink.times) if isinstance(sink, (CountingSink, FhirSubscriber)) else 0)
            for name, sink in self.sinks.items()
        ]
        for i in range(max(len(left), len(right))):
            a = left[i] if i < len(left) else ("", "", "")
            b = right[i] if i < len(right) else ("", "")
            table.add_row(*(str(x) for x in (*a, *b)))
        return table


async def play(config: Path, directory: Path, seed: int, once: bool) -> int:
    """Answers the exit code: 0 if nothing acknowledged was lost."""
    console = Console(highlight=False, soft_wrap=True)
    stage = Stage(config, directory, seed)
    try:
        with Live(stage.table(), console=console, refresh_per_second=8, transient=not console.is_terminal) as live:
            watching = asyncio.create_task(_watch(stage, live))
            try:
                story = await _course(stage)
            finally:
                watching.cancel()
            live.update(stage.table())
        code = tell(console, story, seed)
        if not once:
            console.print(f"\nConsole: {stage.base}/console (Ctrl-C ends the demo)")
            console.print(f"  user admin, password {stage.password}")
            console.print(f"  user officer (privacy), password {stage.officer}")
            await _until_interrupted()
        return code
    finally:
        await stage.stop()


async def _watch(stage: Stage, live: Live) -> None:
    while True:
        live.update(stage.table())
        await asyncio.sleep(0.125)


async def _until_interrupted() -> None:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await stop.wait()


async def _course(stage: Stage) -> Story:
    await stage.start()
    assert stage.programme is not None
    cast = stage.cast
    stage.note = "two clinics send over MLLP"
    killing = asyncio.create_task(_kill_intake(stage))
    await day_of(cast, visits(cast, stage.north, stage.river))
    await killing
    reader = open_reader(stage.settings.database_url)
    await settled(reader, stage.settings)
    stage.note = "a patient consents; the treatment programme sends a document"
    number = stage.north.numbers[cast.client]
    body = documents.consent(NORTH_URI, number, "Organization/county-emergency")
    given = await stage.api("POST", "/fhir/Consent", body)
    first = await stage.programme.send(
        "harbor", documents.care_document(cast.client, cast.client_number, 1), "application/xml"
    )
    await settled(reader, stage.settings, first)
    stage.note = "the patient revokes; the programme sends another"
    await stage.api("PUT", f"/fhir/Consent/{given['id']}", {**given, "status": "inactive"})
    second = await stage.programme.send(
        "harbor", documents.care_document(cast.client, cast.client_number, 2), "application/xml"
    )
    await stage.programme.send("harbor-fax", documents.fax(cast.client, cast.client_number), "text/plain")
    await settled(reader, stage.settings, second)
    sample = stage.log.parent / "document.xml"
    sample.write_bytes(documents.care_document(cast.client, cast.client_number, 3))
    stage.note = "the day is over"
    return Story(
        stage.settings,
        reader,
        stage.sinks,
        [*stage.north.acknowledged, *stage.river.acknowledged],
        stage.programme.acknowledged,
        stage.north.resends + stage.river.resends,
        stage.crash,
        first,
        second,
        f"hie explain {_short(sample)} --feed harbor --subscriber primary-care --config {_short(stage.config)}",
    )


def _short(path: Path) -> str:
    """The path as one would type it here."""
    return str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)


async def _kill_intake(stage: Stage) -> None:
    """SIGKILL for the intake process once a third of the day has been acknowledged; measures until the first
    acknowledgement of the one that takes its place: the dead one's last answers may still be on their way."""

    def acknowledged() -> int:
        return len(stage.north.acknowledged) + len(stage.river.acknowledged)

    def intake() -> int:
        with suppress(ValueError):  # being written at this moment
            return stage.node.child(stage.settings.var, "intake")
        return 0

    while acknowledged() < 60:
        await asyncio.sleep(0.005)
    before, dead = acknowledged(), intake()
    os.kill(dead, signal.SIGKILL)
    killed = time.perf_counter()
    stage.note = "intake killed (kill -9); the senders try again"
    while intake() in (0, dead):
        await asyncio.sleep(0.005)
    known = acknowledged()
    while acknowledged() == known:
        await asyncio.sleep(0.005)
    stage.crash = {"after": before, "seconds": time.perf_counter() - killed}
