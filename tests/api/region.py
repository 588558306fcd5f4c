"""A node for tests: real uvicorn on loopback, real intake and control sockets, real tables; what the engine would do
to the store on command is done here by the store's own functions, and every command is kept in `asked`."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

import httpx
import uvicorn
from sqlalchemy import Connection, insert

from hie import console
from hie.access import accounts, changes
from hie.access.credentials import new_token, password_hash, token_digest
from hie.api import server
from hie.api.app import build
from hie.audit.chain import Chain, Trail
from hie.audit.events import Kind, event
from hie.chosen import everything, extent
from hie.consent import book
from hie.engine.control_server import ControlServer
from hie.errors import HieError, StoreUnavailable
from hie.intake import journals
from hie.intake.dedupe import Window
from hie.intake.door import Door
from hie.intake.journal import JournalWriter
from hie.intake.position import Position
from hie.intake.reader import Entry
from hie.model import Record, SecurityLabel
from hie.record.body import ZSTD, pack
from hie.settings import Settings
from hie.store import lanes, repairs, subscribers, tables
from hie.store.database import open_writer
from hie.store.selection import Selection
from tests.databases import EMBEDDED, Database, run

PASSWORD = "correct horse battery staple"
CANARIES = ("Quintessa", "Zyxwolfe", "19770707", "MRN-77001")
"""Values of the patient in every sample: none may stand in a log, an address or an error."""


@lru_cache(maxsize=1)
def _kept_password() -> str:
    return password_hash(PASSWORD)


def sample(control_id: str = "A1", family: str = "Zyxwolfe") -> bytes:
    return (
        f"MSH|^~\\&|LAB|NORTH|HIE|REGION|20260131140509+0000||ADT^A01^ADT_A01|{control_id}|P|2.5.1\r"
        f"EVN|A01|20260131140509+0000\r"
        f"PID|1||MRN-77001^^^NORTH^MR||{family}^Quintessa||19770707|F\r"
        "PV1|1|O\r"
    ).encode()


def settings(var: Path, **changed: Any) -> Settings:
    given: dict[str, Any] = {
        "name": "lakeside",
        "var": var,
        "http": {"port": 0, "max_body": 200_000},
        "participants": [
            {"name": "north", "title": "North Clinic", "types": ["clinic"]},
            {"name": "harbor", "title": "Harbor Hospital", "types": ["hospital"]},
            {"name": "gone", "title": "Closed Practice", "state": "suspended"},
        ],
        "feeds": [
            feed("north", expected_interval="15m", authorities={"NORTH": "urn:oid:1.2.3.4"}),
            feed("harbor", participant="harbor", expected_interval="1h", timezone="America/Chicago"),
            feed("documents", participant="harbor", format="ccda"),
            feed("fax", format="fax"),
            feed("app", format="fhir"),
            feed("closed", participant="gone"),
            feed("wire", source={"kind": "mllp", "port": 0}),
        ],
        "subscribers": [
            {
                "name": name,
                "participant": "harbor",
                "purpose": "TREAT",
                "sink": {"kind": "fhir", "url": "http://127.0.0.1:9/fhir"},
                "encoder": "bundle",
            }
            for name in ("county-ed", "primary-care", "payer")
        ],
    }
    return Settings.model_validate({**given, **changed})


def feed(name: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "participant": "north", "source": {"kind": "http"}, **more}


class Answers:
    """The commands that the web process sends, on a database of the test."""

    def __init__(self, settings: Settings) -> None:
        self.engine = open_writer(settings.database_url)
        self.trail = Trail(self.engine, Chain("engine"))
        self.asked: list[tuple[str, dict[str, Any], str]] = []
        self.failing: set[str] = set()

    async def answer(self, command: str, arguments: dict[str, Any], actor: str) -> Any:
        self.asked.append((command, arguments, actor))
        if command in self.failing:
            raise StoreUnavailable("the writer is away")
        with self.engine.begin() as connection:
            handler = getattr(self, "_" + command.replace(".", "_"))
            return handler(connection, actor, **arguments)

    def of(self, command: str) -> list[dict[str, Any]]:
        return [arguments for name, arguments, _ in self.asked if name == command]

    def _ping(self, connection: Connection, actor: str) -> dict[str, Any]:
        return {"unfinished": {}, "resting": ["primary-care"]}

    def _access(self, connection: Connection, actor: str, change: str, arguments: Mapping[str, Any]) -> Any:
        return changes.apply(connection, self.trail, actor, change, arguments)

    def _audit_note(self, connection: Connection, actor: str, kind: str, body: dict[str, Any]) -> Any:
        self.trail.add(connection, event(Kind(kind), actor, body))
        return {}

    def _consent_put(self, connection: Connection, actor: str, body: dict[str, Any], id: str | None = None) -> Any:
        id = id or f"consent-{len(self.of('consent.put'))}"
        version = book.put(connection, id, 1, body, actor, time.time())
        return {"id": id, "version": version, "eid": "1", "epoch": version, "begun_before": [{"disclosure": 7}]}

    def _subscriber_pause(self, connection: Connection, actor: str, name: str, reason: str) -> Any:
        subscribers.pause(connection, name, reason, time.time())

    def _subscriber_resume(self, connection: Connection, actor: str, name: str, reason: str) -> Any:
        subscribers.resume(connection, name)

    def _repair_start(
        self, connection: Connection, actor: str, kind: str, selection: dict[str, Any], as_new: bool = False
    ) -> Any:
        chosen = Selection.of(selection)
        total, last = extent(connection, kind, chosen)
        id = repairs.create(connection, kind, "test", actor, chosen, total, last, time.time(), as_new)
        if kind == "deadletters":
            rows = connection.execute(everything(connection, kind, chosen))
            subscribers.release(connection, [row.id for row in rows], id, time.time())
        return {"id": id}

    def _repair_stop(self, connection: Connection, actor: str, id: int) -> Any:
        repairs.turn(connection, id, repairs.STOPPED, time.time())

    def _repair_resume(self, connection: Connection, actor: str, id: int) -> Any:
        repairs.turn(connection, id, repairs.RUNNING, time.time())

    def _delivery_purge(self, connection: Connection, actor: str, ids: list[int], reason: str) -> Any:
        return {"count": len(subscribers.purge(connection, ids, reason, time.time()))}


class Region:
    """A running node. `url` is where it listens; `tokens` the credentials by name."""

    def __init__(self, var: Path, database: Database = EMBEDDED, **changed: Any) -> None:
        self.settings = settings(var, database=database.setting, **changed)
        database.migrated(var)
        self.var = self.settings.var
        for name in ("run", "journal"):
            (self.var / name).mkdir(parents=True, exist_ok=True)
        self.answers = Answers(self.settings)
        self.tokens: dict[str, str] = {}
        with self.answers.engine.begin() as connection:
            lanes.take(connection, "test", time.time())
            self._credentials(connection)
        self.url = ""
        self.journal: JournalWriter | None = None
        self.services: Any = None
        self._ready = threading.Event()
        self._stop: asyncio.Event | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), daemon=True)
        self.broken: BaseException | None = None

    def _credentials(self, connection: Connection) -> None:
        now = time.time()
        kept = _kept_password()
        for name, roles in (
            ("admin", ["administrator"]),
            ("olga", ["operator"]),
            ("petra", ["privacy-officer"]),
            ("stefan", ["steward"]),
            ("aude", ["auditor"]),
            ("root", ["administrator", "operator", "privacy-officer", "auditor"]),
        ):
            accounts.add_user(connection, name, roles, "", kept, now)
        for f in self.settings.feeds:
            self.tokens[f.name] = new_token()
            accounts.register_feed(connection, f.name, token_digest(self.tokens[f.name]), now)
        self.tokens["prometheus"] = new_token()
        accounts.add_client(connection, "prometheus", ["metrics"], "", token_digest(self.tokens["prometheus"]), now)

    def __enter__(self) -> Region:
        self._thread.start()
        self._ready.wait(20)
        if self.broken is not None:
            raise self.broken
        return self

    def __exit__(self, *_: object) -> None:
        if self._loop is not None and self._stop is not None:
            self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(20)
        self.answers.engine.dispose()

    async def _serve(self) -> None:
        try:
            self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
            windows = {f.name: Window() for f in self.settings.feeds}
            self.journal = journals.open_writer(self.settings.database_url, self.var / "journal", windows)
            self.journal.start()
            self.door = Door(self.var, self.journal.submit, frozenset(windows))
            await self.door.start()
            control = ControlServer(self.var, self.answers)
            await control.start()
            self.services = server.services(self.settings)
            listener = server.bind(self.settings.http)
            self.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
            app = console.mounted(build(self.services, console.routes()))
            config = uvicorn.Config(app, lifespan="off", log_config=None, log_level="warning", server_header=False)
            logging.getLogger("uvicorn.access").disabled = True
            web = uvicorn.Server(config)
            web.install_signal_handlers = lambda: None  # type: ignore[method-assign]
            task = asyncio.create_task(web._serve([listener]))
            while not web.started:
                await asyncio.sleep(0.01)
        except BaseException as error:
            self.broken = error
            self._ready.set()
            raise
        self._ready.set()
        await self._stop.wait()
        web.should_exit = True
        await task
        await self.door.drain(1)
        await self.journal.close()
        await control.close()
        self.services.reader.dispose()

    def client(self, token: str = "", user: str = "", **more: Any) -> httpx.Client:
        """A client with a program's token, a person's Basic credential, or none."""
        headers = {**more.pop("headers", {})}
        if token:
            headers["authorization"] = f"Bearer {self.tokens[token]}"
        auth = (user, PASSWORD) if user else None
        return httpx.Client(base_url=self.url, headers=headers, auth=auth, timeout=20, **more)

    @contextmanager
    def browser(self, user: str) -> Iterator[Browser]:
        with httpx.Client(base_url=self.url, timeout=20, follow_redirects=True) as client:
            browser = Browser(client)
            browser.login(user)
            yield browser

    def arrived(self) -> list[Entry]:
        """What is in the journal."""
        with journals.open_reader(self.settings.database_url, self.var / "journal") as reader:
            return reader.read()

    def applied(self, message_id: str, done: bool = True) -> None:
        """An arrival, and on SQLite all before it, counts as processed; `done` False: it waits again."""
        place = Position.of(message_id)
        with self.answers.engine.begin() as connection:
            if connection.dialect.name == "sqlite":
                lanes.advance(connection, place.day if done else "", place.seq if done else 0, time.time())
            elif done:
                run(connection, "DELETE FROM pending WHERE seq = ?", place.seq)
            else:
                run(connection, "INSERT INTO pending VALUES (0, ?, ?, '{0}', 0)", place.seq, place.day)

    def write(self, *statements: Any) -> None:
        with self.answers.engine.begin() as connection:
            for statement in statements:
                connection.execute(statement)

    # -- what the engine would have written

    def message(self, id: str, feed: str = "north", at: float | None = None, **more: Any) -> str:
        at = time.time() if at is None else at
        row = {
            "id": id,
            "feed": feed,
            "format": "hl7v2",
            "event": "ADT^A01",
            "control_id": f"C-{id}",
            "received_at": at,
            "processed_at": at + 0.0213,
            "sha256": bytes(32),
            "outcome": "routed",
            "reason": "routed",
            "configuration": self.settings.hash,
            "stages": '{"queue":0.0041,"decode":0.0006,"identify":0.0012,"commit":0.0033}',
            "resources": 3,
            **more,
        }
        self.write(insert(tables.message).values(row))
        return id

    def record(self, message_id: str, mpi_record: int | None = 1) -> None:
        patient = {
            "resourceType": "Patient",
            "id": "p1",
            "name": [{"family": "Zyxwolfe", "given": ["Quintessa"]}],
            "birthDate": "1977-07-07",
        }
        observation = {
            "resourceType": "Observation",
            "id": "o1",
            "status": "final",
            "code": {"coding": [{"system": "http://loinc.org", "code": "5643-2", "display": "Ethanol"}]},
            "subject": {"reference": "Patient/p1"},
        }
        made = Record(
            0,
            "ORU^R01",
            "Patient/p1",
            (patient, observation),
            sources=_sources(("Patient/p1", "PID"), ("Observation/o1", "OBX[1]")),
            warnings=_warnings(("local-code", "OBX[2]-3", "a code of the site's own is kept as sent")),
            unmapped=_unmapped(("ZX1[1]-4", 2)),
        )
        labels = {"Observation/o1": (SecurityLabel("ETH", "loinc 5643-2 is in the group substance use"),)}
        self.write(
            insert(tables.record).values(
                message_id=message_id,
                idx=0,
                event="ORU^R01",
                mpi_record=mpi_record,
                decision="known",
                body=pack(made, labels),
                codec=ZSTD,
                key_id=0,
            )
        )

    def delivery(self, message_id: str, subscriber: str = "county-ed", state: str = "delivered", **more: Any) -> None:
        at = more.pop("at", time.time())
        row = {
            "message_id": message_id,
            "idx": 0,
            "subscriber": subscriber,
            "ordering_key": "urn:oid:1.2.3.4|MR|77001",
            "key": f"{message_id}-{subscriber}",
            "state": state,
            "received_at": at,
            "queued_at": at,
            "due_at": at,
            "attempts": 1,
            "finished_at": at + 0.1 if state not in ("queued", "begun", "unknown", "held") else None,
            **more,
        }
        self.write(insert(tables.delivery).values(row))


class Browser:
    """A person at the console, without script: follows links, sends the page's own forms."""

    def __init__(self, client: httpx.Client) -> None:
        self.client = client

    def login(self, name: str, password: str = PASSWORD) -> httpx.Response:
        return self.client.post(
            "/console/login", data={"name": name, "password": password}, headers={"origin": str(self.client.base_url)}
        )

    def get(self, address: str) -> str:
        answer = self.client.get(address)
        assert answer.status_code == 200, (answer.status_code, answer.text)
        return answer.text

    def token(self) -> str:
        return self.get("/console").partition('name="csrf" value="')[2].partition('"')[0]

    def post(self, address: str, **fields: Any) -> httpx.Response:
        return self.client.post(address, data={"csrf": self.token(), **fields})


def _sources(*pairs: tuple[str, str]) -> Any:
    from hie.model import Source

    return tuple(Source(*pair) for pair in pairs)


def _warnings(*triples: tuple[str, str, str]) -> Any:
    from hie.model import Warning

    return tuple(Warning(*triple) for triple in triples)


def _unmapped(*pairs: tuple[str, int]) -> Any:
    from hie.model import Unmapped

    return tuple(Unmapped(*pair) for pair in pairs)


__all__ = ["CANARIES", "PASSWORD", "Browser", "HieError", "Region", "sample", "settings"]
