"""Invariant 10 from outside: a started node answers strangers nothing, listens on loopback alone, and knows no default password."""

from __future__ import annotations

import asyncio
import os
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import SimpleNamespace

import httpx
import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from hie import settings
from hie.simulation.usage import tree
from tests import databases
from tests.databases import Database
from tests.node import Site

DOORS = (
    ("GET", "/metrics"), ("GET", "/health/ready"), ("POST", "/intake/reports"), ("POST", "/intake/harbor"), ("POST", "/intake/north"),
    ("GET", "/fhir/Consent?patient=1"), ("POST", "/fhir/Consent"), ("PUT", "/fhir/Consent/1"), ("POST", "/fhir/Consent/_search"),
    ("GET", "/fhir/Patient"), ("GET", "/fhir/AuditEvent"), ("GET", "/console/messages"), ("GET", "/console/deadletters"),
    ("GET", "/console/audit"), ("POST", "/console/deadletters/release"), ("POST", "/intake/nobody"),
)  # fmt: skip


def open_doors(client: httpx.Client, doors: Iterable[tuple[str, str]]) -> list[str]:
    """Routes that give anything but a refusal or the way to the login page."""
    found = []
    for method, path in doors:
        answer = client.request(method, path, content=b"x" if method != "GET" else None)
        to_login = answer.status_code == 303 and answer.headers["location"] == "/console/login"
        if answer.status_code not in (401, 403, 404, 405) and not to_login:
            found.append(f"{method} {path}: {answer.status_code}")
    return found


@pytest.mark.invariant(10)
def test_a_stranger_finds_every_door_closed(site: Site) -> None:
    with site.web() as client:
        assert open_doors(client, DOORS) == []
        for name, password in (("admin", "admin"), ("admin", ""), ("admin", "password"), ("hie", "hie")):
            answer = client.get("/metrics", auth=(name, password))
            assert answer.status_code in (401, 429)


@pytest.mark.invariant(10)
def test_a_feeds_token_opens_its_own_feed_and_nothing_else(site: Site) -> None:
    with site.web(token="reports") as client:
        assert open_doors(client, [door for door in DOORS if door[1] not in ("/intake/reports",)]) == []
        assert client.post("/intake/reports", content=b"x").status_code == 422


@pytest.mark.broken(10)
def test_a_route_without_a_guard_is_caught() -> None:
    async def naked(_: object) -> PlainTextResponse:
        return PlainTextResponse("everything")

    app = Starlette(routes=[Route("/metrics", naked), Route("/fhir/Consent", naked, methods=["POST"])])

    def request(method: str, path: str, content: bytes | None) -> httpx.Response:
        async def ask() -> httpx.Response:
            async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://node") as client:
                return await client.request(method, path, content=content)

        return asyncio.run(ask())

    found = open_doors(SimpleNamespace(request=request), DOORS)  # type: ignore[arg-type]
    assert found == ["GET /metrics: 200", "POST /fhir/Consent: 200"]


def listening(pids: Iterable[int]) -> set[str]:
    """Local addresses (hex as the kernel writes them) that the processes listen on."""
    sockets = set()
    for pid in pids:
        for handle in Path(f"/proc/{pid}/fd").iterdir():
            try:
                sockets.add(os.readlink(handle))
            except OSError:
                continue
    found = set()
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A" and f"socket:[{fields[9]}]" in sockets:
                found.add(fields[1].rpartition(":")[0])
    return found


@pytest.mark.invariant(10)
def test_it_listens_on_loopback_alone(site: Site) -> None:
    assert listening(tree(site.node.pid)) == {"0100007F"}
    empty = settings.Settings.model_validate({})
    assert empty.http.host == "127.0.0.1"


@pytest.mark.invariant(8, 10)
def test_state_and_sockets_are_the_nodes_users_alone(site: Site) -> None:
    for folder, _, files in os.walk(site.var):
        assert stat.S_IMODE(os.stat(folder).st_mode) == 0o700, folder
        for name in files:
            mode = os.stat(os.path.join(folder, name)).st_mode
            if stat.S_ISSOCK(mode) or "secrets" in folder or "keys" in folder:
                assert not stat.S_IMODE(mode) & 0o077, name


@pytest.fixture
def empty(site: Site) -> Iterator[Database]:
    with databases.database(site.database.kind, empty=True) as made:
        yield made


@pytest.mark.invariant(10)
def test_every_new_node_has_a_password_of_its_own_that_no_file_keeps(
    site: Site, empty: Database, tmp_path: Path
) -> None:
    from hie import first_start

    config = tmp_path / "hie.yaml"
    config.write_text(site.config.read_text().replace(f'"{site.database.setting}"', f'"{empty.setting}"', 1))
    other = settings.load(config)
    other.var.mkdir()
    for name in ("keys", "secrets"):
        (other.var / name).mkdir()
    lines = "\n".join(first_start.prepare(other))
    mine = site.admin_password()
    assert mine not in lines
    assert len(mine) >= 12
    assert first_start.prepare(other) == [], "the second start announces nothing"
    stored = b"".join(path.read_bytes() for path in site.var.rglob("*") if path.is_file())
    assert mine.encode() not in stored
    assert mine not in str(site.rows("SELECT * FROM credential"))
