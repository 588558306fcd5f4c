"""A real node for tests: `hie run` as a process on free ports, real senders and sinks that keep the ledger.

The sinks live on an event loop of their own thread, so tests are plain functions and one node can serve a module.
"""

from __future__ import annotations

import asyncio
import os
import re
import signal
import sqlite3
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

import httpx
import psycopg
from starlette.requests import Request
from starlette.responses import Response

from hie import control
from hie.access.credentials import password_hash
from hie.model import DeliveryState
from hie.simulation.ledger import CountingSink
from hie.simulation.process import NodeProcess, free_port
from hie.simulation.subscribers import FhirSubscriber
from hie.simulation.wire import Framed, Sender, acknowledgement, field
from tests.databases import EMBEDDED, POSTGRESQL, Database, marked

T = TypeVar("T")
PASSWORD = "a long enough password for tests"
NORTH_URI = "urn:oid:2.16.840.1.113883.3.9999.1"
RIVER_URI = "urn:oid:2.16.840.1.113883.3.9999.2"
CONFIG = """\
name: proving
var: var
database: "{database}"
http: {{port: {http}}}
workers: {{pool: 1, batch: 64, engines: {engines}}}
participants:
  - {{name: north-clinic, types: [clinic], references: [Organization/north-clinic]}}
  - {{name: river-hospital, types: [hospital], references: [Organization/river-hospital]}}
  - {{name: harbor-recovery, types: [part2-programme], references: [Organization/harbor-recovery]}}
  - {{name: emergency, types: [hospital], references: [Organization/emergency]}}
  - {{name: practice, types: [clinic], references: [Organization/practice]}}
feeds:
  - name: north
    participant: north-clinic
    timezone: America/Chicago
    source: {{kind: mllp, port: {north}}}
    authorities: {{NORTH: "{north_uri}"}}
  - name: river
    participant: river-hospital
    timezone: America/Chicago
    source: {{kind: mllp, port: {river}}}
    authorities: {{RIVER: "{river_uri}"}}
  - {{name: reports, participant: north-clinic, source: {{kind: http}}, authorities: {{NORTH: "{north_uri}"}}}}
  - {{name: harbor, participant: harbor-recovery, format: ccda, source: {{kind: http}}, timezone: America/Chicago}}
  - {{name: harbor-fax, participant: harbor-recovery, format: fax, source: {{kind: http}}, timezone: America/Chicago}}
subscribers:
  - name: emergency
    participant: emergency
    purpose: TREAT
    encoder: original
    connections: 4
    sink: {{kind: mllp, host: 127.0.0.1, port: {mllp_sink}, ack_seconds: {ack_seconds}}}
    retry: {{first: 50ms, longest: 300ms, give_up: {give_up}}}
  - name: practice
    participant: practice
    purpose: TREAT
    encoder: bundle
    connections: 2
    sink: {{kind: fhir, url: "http://127.0.0.1:{http_sink}/fhir", answer_seconds: {ack_seconds}}}
    retry: {{first: 50ms, longest: 300ms, give_up: {give_up}}}
"""


class MllpSink(CountingSink):
    """An MLLP subscriber whose answers a test decides: `answer` gives the code of a message, None for silence."""

    def __init__(self) -> None:
        super().__init__()
        self.keep_contents = True
        self.answer: Callable[[bytes], bytes | None] = lambda message: b"AA"
        self.seen: list[tuple[str, bytes]] = []
        """(MSH-10, bytes) of everything that arrived, refused or not, in order."""

    def _received(self, connection: Framed, message: bytes) -> None:
        control_id = field(message, b"MSH", 10).decode("latin-1")
        self.seen.append((control_id, message))
        code = self.answer(message)
        if code == b"AA":
            super()._received(connection, message)
        elif code is not None:
            connection.send(acknowledgement(message, code, len(self.seen)))

    def of(self, control_id: str) -> list[bytes]:
        return [message for seen, message in self.seen if seen == control_id]


class HttpSink(FhirSubscriber):
    """A FHIR subscriber whose answers a test decides. `gate` cleared: it takes the body and keeps the answer back."""

    def __init__(self, port: int) -> None:
        super().__init__(port)
        self.status: Callable[[bytes], int] = lambda body: 200
        self.gate = threading.Event()
        self.gate.set()
        self.seen: list[tuple[str, bytes, str]] = []
        """(Idempotency-Key, body, path) in order of arrival."""

    async def _take(self, request: Request) -> Response:
        body = await request.body()
        self.seen.append((request.headers.get("idempotency-key", ""), body, str(request.url)))
        while not self.gate.is_set():
            await asyncio.sleep(0.01)
        status = self.status(body)
        return await super()._take(request) if status == 200 else Response(b"{}", status)


class Site:
    """A node in `directory` with its senders and sinks."""

    def __init__(
        self,
        directory: Path,
        *,
        ack_seconds: float = 5,
        give_up: str = "1h",
        database: Database = EMBEDDED,
        engines: int = 0,
    ) -> None:
        """`engines` 0: as such a site has, one on SQLite, two on PostgreSQL."""
        self.directory = directory
        self.database = database
        count = engines or (2 if database.kind == POSTGRESQL else 1)
        self.engines = ["engine", *(f"engine-{n}" for n in range(1, count))]
        self.var = directory / "var"
        self.log = directory / "node.log"
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, name="site", daemon=True)
        self._thread.start()
        self.north, self.river, self.http, fhir = (free_port() for _ in range(4))
        self.mllp = MllpSink()
        self.fhir = HttpSink(fhir)
        port = self.do(self.mllp.start("127.0.0.1", 0))
        self.do(self.fhir.start())
        self._connection: psycopg.Connection[Any] | None = None
        self.config = directory / "hie.yaml"
        self.config.write_text(
            CONFIG.format(
                http=self.http, north=self.north, river=self.river, mllp_sink=port, http_sink=fhir,
                north_uri=NORTH_URI, river_uri=RIVER_URI, ack_seconds=ack_seconds, give_up=give_up,
                database=database.setting, engines=count,
            )
        )  # fmt: skip
        self.node = NodeProcess(self.config, self.log)
        self.base = f"http://127.0.0.1:{self.http}"
        self.senders: dict[int, Sender] = {}
        self._officer = False

    def do(self, work: Coroutine[Any, Any, T], seconds: float = 60) -> T:
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(seconds)

    @property
    def ports(self) -> list[int]:
        return [self.north, self.river, self.http]

    def start(self, failpoint: str = "", wait: bool = True) -> None:
        self.node = NodeProcess(self.config, self.log, {"HIE_FAILPOINT": failpoint})
        self.node.start(self.ports if wait else [], 120)
        if wait:
            self.until(lambda: self.asked("ping") is not None, "the engine answers")

    def stop(self) -> int:
        return self.node.stop()

    def close(self) -> None:
        if self.node.process is not None and self.node.process.poll() is None:
            with suppress(Exception):
                self.node.kill()
        if self._connection is not None:
            self._connection.close()
        for sender in self.senders.values():
            self.do(sender.close())
        self.do(self.mllp.stop())
        self.fhir.gate.set()
        self.do(self.fhir.stop())
        self.do(self._cancel_the_rest())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(10)
        self.loop.close()

    @staticmethod
    async def _cancel_the_rest() -> None:
        """Whatever a failed test left running must not trouble the next one."""
        rest = asyncio.all_tasks() - {asyncio.current_task()}
        for task in rest:
            task.cancel()
        await asyncio.gather(*rest, return_exceptions=True)

    # -- what an operator or a clinic does

    def send(self, message: bytes, port: int = 0, patience: float = 30) -> str:
        """The acknowledgement code."""
        port = port or self.north
        sender = self.senders.setdefault(port, Sender("127.0.0.1", port))
        return self.do(sender.send(message, patience), patience + 5).decode("latin-1")

    def pid(self, name: str) -> int:
        if name == "parent":
            return self.node.pid
        while True:
            with suppress(ValueError):  # being written at this moment
                return self.node.child(self.var, name)
            time.sleep(0.005)

    def kill(self, name: str) -> None:
        """SIGKILL for one of its processes; `parent` takes the whole node with it."""
        with suppress(ProcessLookupError):
            os.kill(self.pid(name), signal.SIGKILL)
        if name == "parent":
            assert self.node.process is not None
            self.node.process.wait(10)

    def asked(self, command: str, **arguments: Any) -> Any:
        try:
            return control.ask(self.var, command, arguments, "cli:test")
        except control.StoreUnavailable:
            return None

    def web(self, user: str = "", token: str = "") -> httpx.Client:
        if user == "officer" and not self._officer:
            given = {"name": "officer", "roles": ["privacy-officer"], "secret": password_hash(PASSWORD)}
            control.ask(self.var, "access", {"change": "add-user", "arguments": given}, "cli:test")
            self._officer = True
        headers = {"authorization": f"Bearer {self.token(token)}"} if token else {}
        auth = (user, self.admin_password() if user == "admin" else PASSWORD) if user else None
        return httpx.Client(base_url=self.base, auth=auth, headers=headers, timeout=30, trust_env=False)

    def token(self, feed: str) -> str:
        return (self.var / "secrets" / f"{feed}.token").read_text().strip()

    def admin_password(self) -> str:
        found = re.search(r"user admin, password (\S+)", self.log.read_text())
        assert found is not None
        return found.group(1)

    def post(self, feed: str, body: bytes, kind: str = "application/octet-stream") -> httpx.Response:
        with self.web(token=feed) as client:
            return client.post(f"/intake/{feed}", content=body, headers={"content-type": kind})

    def consent(self, body: dict[str, Any]) -> dict[str, Any]:
        """Recorded or replaced by the privacy officer over HTTP; adds what the header says of attempts begun before."""
        with self.web("officer") as client:
            headers = {"content-type": "application/fhir+json"}
            if "id" in body:
                answer = client.put(f"/fhir/Consent/{body['id']}", json=body, headers=headers)
            else:
                answer = client.post("/fhir/Consent", json=body, headers=headers)
            answer.raise_for_status()
            return {**answer.json(), "begun": int(answer.headers["hie-begun-before"])}

    # -- what the node has on its disk

    def rows(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        """`sql` with `?` for each value, as both databases understand it."""
        if self.database.kind == POSTGRESQL:
            return self._postgresql().execute(marked(sql), values).fetchall()
        connection = sqlite3.connect(f"file:{self.var / 'hie.db'}?mode=ro", uri=True, timeout=10)
        try:
            return connection.execute(sql, values).fetchall()
        finally:
            connection.close()

    def _postgresql(self) -> psycopg.Connection[Any]:
        if self._connection is None or self._connection.closed:
            url = self.database.setting.replace("postgresql+psycopg:", "postgresql:")
            self._connection = psycopg.connect(url, autocommit=True, connect_timeout=5)
        return self._connection

    def journal(self) -> list[tuple[str, str, bytes, bytes]]:
        """(message id, control id, raw bytes, sha256) of every arrival."""
        from hie.intake.journals import open_reader
        from hie.intake.position import START

        reader, position, found = open_reader(self.database.setting, self.var / "journal"), START, []
        while entries := reader.read(position):
            for entry in entries:
                e = entry.envelope
                found.append((e.message_id, e.keys.control_id.decode("latin-1"), e.raw, e.sha256))
            position = entries[-1].position
        reader.close()
        return found

    def message_id(self, control_id: str) -> str:
        found: str = self.rows("SELECT id FROM message WHERE control_id = ? ORDER BY id", control_id)[0][0]
        return found

    def deliveries(self, control_id: str = "", subscriber: str = "%") -> list[dict[str, Any]]:
        names = ("id", "subscriber", "state", "reason", "key", "replaces", "attempts", "control_id", "text")
        sql = (
            "SELECT d.id, d.subscriber, d.state, d.reason, d.key, d.replaces, d.attempts, m.control_id, d.text "
            "FROM delivery d JOIN message m ON m.id = d.message_id WHERE d.subscriber LIKE ?"
        )
        found = [dict(zip(names, row, strict=True)) for row in self.rows(sql + " ORDER BY d.id", subscriber)]
        return [row for row in found if not control_id or row["control_id"] == control_id]

    def until(self, holds: Callable[[], object], what: str, seconds: float = 30) -> None:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            with suppress(sqlite3.OperationalError, psycopg.OperationalError, FileNotFoundError, ConnectionError):
                if holds():
                    return
            time.sleep(0.02)
        raise AssertionError(f"not within {seconds} s: {what}\n{self.log.read_text()[-1500:]}")

    def settled(self, seconds: float = 60) -> None:
        """Until every arrival has its outcome and no delivery is under way."""
        waiting = tuple(s.value for s in DeliveryState if not s.final)
        marks = ",".join("?" * len(waiting))

        def done() -> bool:
            known = {row[0] for row in self.rows("SELECT id FROM message")}
            arrived = {row[0] for row in self.journal()}
            unfinished = self.rows(f"SELECT count(*) FROM delivery WHERE state IN ({marks})", *waiting)[0][0]
            return arrived <= known and not unfinished

        self.until(done, "everything settled", seconds)


@contextmanager
def site(directory: Path, **options: Any) -> Iterator[Site]:
    """A running site."""
    running = Site(directory, **options)
    try:
        running.start()
        yield running
    finally:
        running.close()
