"""Closed by default: every route, without a credential, with a wrong one, and with one that lacks the right."""

from __future__ import annotations

import httpx
import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from hie import console
from hie.access.roles import CAPABILITIES, Capability
from hie.api.app import build, routes
from hie.web.guard import Guarded, Open, every
from tests.api.region import PASSWORD, Region

PUBLIC = {"/health/live", "/console/login", "/console/static/{name}", "/"}
EXAMPLES = {"{feed}": "north", "{id}": "20260131-00000001", "{name}": "county-ed"}
ROUTES = list(every([*routes(), *console.routes()]))
GUARDED = [(path, method, route) for path, route in ROUTES if isinstance(route, Guarded) for method in route.methods]


def address(path: str) -> str:
    for name, value in EXAMPLES.items():
        path = path.replace(name, value)
    return path


@pytest.mark.invariant(10)
def test_only_these_routes_are_open() -> None:
    assert {path for path, route in ROUTES if isinstance(route, Open)} == PUBLIC


@pytest.mark.invariant(10)
def test_every_route_refuses_a_stranger(region: Region) -> None:
    with region.client() as client:
        for path, method, _ in GUARDED:
            answer = client.request(method, address(path))
            if path.startswith("/console") and method in ("GET", "HEAD"):
                assert (answer.status_code, answer.headers["location"]) == (303, "/console/login"), path
            else:
                assert answer.status_code == 401, (method, path)
                assert "Bearer" in answer.headers["www-authenticate"]
    assert region.answers.asked == []


@pytest.mark.invariant(10)
def test_every_route_refuses_a_false_token_and_a_missing_right(region: Region) -> None:
    with region.client() as client:
        for path, method, route in GUARDED:
            # a token is a right to one feed: everything else is forbidden to it
            with_feed = client.request(
                method, address(path), headers={"authorization": f"Bearer {region.tokens['harbor']}"}
            )
            assert with_feed.status_code == 403, (method, path)
            lacking = "stefan" if route.capability is not Capability.STATUS_READ else None
            if lacking:
                answer = client.request(method, address(path), auth=(lacking, PASSWORD))
                assert answer.status_code == 403, (method, path)
    with region.client() as client:
        for path, method, _ in GUARDED[:15]:
            false = client.request(method, address(path), headers={"authorization": "Bearer hie_" + "x" * 43})
            assert false.status_code in (401, 303, 429), (method, path)


@pytest.mark.invariant(10)
def test_each_role_enters_what_its_rights_say_and_nothing_else(region: Region) -> None:
    with region.browser("aude") as browser:
        assert "Audit" in browser.get("/console/audit")
        assert (
            browser.client.post("/console/deadletters/ask", data={"csrf": browser.token(), "all": "1"}).status_code
            == 403
        )
    assert Capability.QUEUES_MANAGE not in CAPABILITIES[next(r for r in CAPABILITIES if r.value == "auditor")]


@pytest.mark.broken(10)
def test_a_route_without_a_guard_cannot_be_built(region: Region) -> None:
    async def naked(_: object) -> PlainTextResponse:
        return PlainTextResponse("")

    with pytest.raises(TypeError, match="declares nobody"):
        build(region.services, [Route("/naked", naked)])


@pytest.mark.invariant(10)
def test_guessing_is_slowed_down(region: Region) -> None:
    with region.client() as client:
        answers = [client.get("/metrics", headers={"authorization": "Bearer wrong"}) for _ in range(30)]
    refused = [a for a in answers if a.status_code == 429]
    assert refused
    assert int(refused[-1].headers["retry-after"]) >= 1


def test_errors_have_the_form_of_their_place(region: Region) -> None:
    with region.client(user="petra") as client:
        fhir = client.get("/fhir/Nothing/at/all")
        assert fhir.status_code == 404
        assert fhir.json()["resourceType"] == "OperationOutcome"
        assert fhir.json()["issue"][0]["code"] == "not-found"
        plain = client.get("/nothing")
        assert (plain.status_code, plain.json()["code"]) == (404, "not-found")
        assert client.delete("/fhir/Consent").status_code == 405
        page = client.get("/console/nothing")
        assert page.status_code == 404
        assert "text/html" in page.headers["content-type"]
        assert "script" not in page.text


def test_every_answer_carries_the_security_headers(region: Region) -> None:
    with region.client() as client:
        for answer in (client.get("/health/live"), client.get("/console/login"), client.get("/metrics")):
            assert "default-src 'none'" in answer.headers["content-security-policy"]
            assert answer.headers["x-content-type-options"] == "nosniff"
            assert answer.headers["cache-control"] == "no-store"
            assert "server" not in answer.headers


@pytest.mark.invariant(8)
def test_a_defect_is_answered_without_its_text(region: Region, caplog: pytest.LogCaptureFixture) -> None:
    async def broken(*_: object) -> None:
        raise KeyError("Zyxwolfe")

    app: Starlette = build(region.services, [Guarded("/broken", broken, capability=Capability.METRICS_READ)])
    transport = httpx.ASGITransport(app)

    async def ask() -> httpx.Response:
        async with httpx.AsyncClient(transport=transport, base_url="http://node") as client:
            return await client.get("/broken", headers={"authorization": f"Bearer {region.tokens['prometheus']}"})

    import asyncio

    answer = asyncio.run(ask())
    assert (answer.status_code, answer.json()["code"]) == (500, "internal-error")
    written = "".join(str(record.__dict__) for record in caplog.records)
    assert "Zyxwolfe" not in answer.text + written
    assert "web-defect" in written
