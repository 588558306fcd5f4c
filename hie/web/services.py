"""What the handlers work with: the node as the web process sees it. Reading is direct, every change goes to its writer."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request

from hie.errors import StoreUnavailable
from hie.intake.reader import Entry
from hie.metrics import NoMeter
from hie.model import Arrival, Receipt
from hie.ports import Meter
from hie.sections import Feed
from hie.settings import Settings
from hie.web.body import Budget
from hie.web.door import Control, Door

T = TypeVar("T")


@dataclass(frozen=True)
class Services:
    settings: Settings
    var: Path
    reader: Engine
    """A connection that cannot write."""
    door: Door
    submit: Callable[[Arrival], Awaitable[Receipt]]
    """Makes an arrival durable: resolves after intake's commit."""
    intake_ready: Callable[[], Awaitable[bool]]
    """Whether intake answers and its journal takes writes."""
    control: Control
    raw: Callable[[str], Entry]
    """The journal's row of a message id. Raises NotFound. Blocks: call it in a thread."""
    budget: Budget
    meter: Meter = field(default_factory=NoMeter)
    clock: Callable[[], float] = field(default=time.time)

    async def query(self, work: Callable[[Connection], T]) -> T:
        """Runs `work` in a thread on a reading connection. Raises StoreUnavailable where the database does not answer."""
        return await run_in_threadpool(self._query, work)

    def _query(self, work: Callable[[Connection], T]) -> T:
        try:
            with self.reader.connect() as connection:
                return work(connection)
        except DBAPIError as error:
            # the driver's text may quote parameters: say only what kind of failure it was
            raise StoreUnavailable(
                f"the database did not answer ({type(error.orig).__name__})", hint="try again; see `hie doctor`"
            ) from None

    def feed(self, name: str) -> Feed | None:
        return next((feed for feed in self.settings.feeds if feed.name == name), None)


def of(request: Request) -> Services:
    services: Services = request.app.state.services
    return services
