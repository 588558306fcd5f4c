"""The demo's FHIR subscribers: a small HTTP server each, that keeps what it was given by resource id."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import orjson
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route


class FhirSubscriber:
    """Takes bundles at any path below /fhir, remembers keys and bodies, answers 200."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.bodies: dict[str, bytes] = {}
        self.times: dict[str, int] = {}
        self.at: dict[str, float] = {}
        self._server: uvicorn.Server | None = None
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        app = Starlette(
            routes=[
                Route("/fhir", self._take, methods=["POST"]),
                Route("/fhir/{rest:path}", self._take, methods=["POST", "PUT"]),
            ]
        )
        self._server = uvicorn.Server(
            uvicorn.Config(
                app, host="127.0.0.1", port=self.port, log_level="critical", lifespan="off", access_log=False
            )
        )
        self._task = asyncio.create_task(self._server._serve())
        while not self._server.started:
            await asyncio.sleep(0.01)

    async def stop(self) -> None:
        if self._server is not None and self._task is not None:
            self._server.should_exit = True
            await self._task

    async def _take(self, request: Request) -> Response:
        body = await request.body()
        key = request.headers.get("idempotency-key", "")
        self.times[key] = self.times.get(key, 0) + 1
        self.bodies[key] = body
        self.at[key] = time.time()
        answer: dict[str, Any] = {"resourceType": "Bundle", "type": "transaction-response"}
        return Response(orjson.dumps(answer), media_type="application/fhir+json")
