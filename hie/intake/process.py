"""The intake process: listeners and the journal, and nothing else, so that it answers first after a crash.

It imports no decoder, no SQLAlchemy, no XML. Adapters' listeners come by name from the registry.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import resource
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hie import registry
from hie.errors import ConfigurationError
from hie.intake.budget import Budget
from hie.intake.dedupe import Window
from hie.intake.door import Door
from hie.intake.entrance import Entrance
from hie.intake.journal import Journal
from hie.intake.opening import Opening
from hie.intake.payload import Seal
from hie.intake.pressure import Pressure, Progress
from hie.intake.reading import Context, Reading
from hie.ports import Accept, Meter, Source

log = logging.getLogger(__name__)
JOURNAL = "journal"
"""Folder of the day files under the state directory."""
BIND_RETRY_SECONDS = 2.0
DESCRIPTORS = 65_536
HTTP = "http"
"""Source kind of feeds without a listener here: the web process hands their arrivals over."""


@dataclass(frozen=True, slots=True)
class IntakeFeed:
    """What intake needs to know of a feed."""

    name: str
    format: str
    kind: str
    """Name of the source in the adapters' manifests (`mllp`), or `http`."""
    settings: Any = None
    """The source's typed settings."""
    context: Context | None = None
    """How its messages are read, for senders that wait for that."""
    window: Window = field(default_factory=Window)
    serve: Callable[..., Source] | None = None
    """The source's constructor where the caller has it at hand; else the registry finds it by `kind`."""

    def source(self, accept: Accept, meter: Meter) -> Source:
        """Builds the listener. Raises ConfigurationError where no adapter has one of this kind."""
        build = self.serve or registry.named("sources", self.kind, "serve")
        injected = (Opening(self.name, self.format),) if registry.opens(self.kind) else ()
        source: Source = build(self.name, self.settings, accept, meter, *injected)
        return source


async def run(
    feeds: Sequence[IntakeFeed],
    directory: Path,
    wake: int,
    meter: Meter,
    *,
    drain_seconds: float = 10.0,
    ready: Callable[[Mapping[str, int]], None] | None = None,
    seal: Seal | None = None,
    progress: Progress | None = None,
    backlog: int = 256,
    memory: int = 256 * 1024 * 1024,
) -> None:
    """Serves until SIGTERM or SIGINT, then answers what is in hand and ends.

    `directory` is the state directory; `wake` an eventfd written after every commit (-1: none). `ready` is called with
    the port of every listener once all of them could be tried. `progress` and `backlog`: hie.intake.pressure; `memory`: bytes in flight over all
    listeners. Raises ConfigurationError where none can be bound.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    # short turns between loop and writer; little cyclic garbage arises here, so full collections are rare
    sys.setswitchinterval(0.001)
    gc.set_threshold(50_000, 20, 100)
    _take_descriptors()
    journal = Journal(
        directory / JOURNAL, {feed.name: feed.window for feed in feeds}, wake=wake, seal=seal, meter=meter
    )
    journal.start()
    taken: Accept = journal.submit if progress is None else Pressure(journal.submit, progress, backlog)
    reading = Reading(directory, {feed.name: feed.context for feed in feeds if feed.context is not None})
    accept = Entrance(taken, Budget(memory), reading)
    door = Door(directory, accept, frozenset(feed.name for feed in feeds))
    await door.start()
    sources = {feed.name: feed.source(accept, meter) for feed in feeds if feed.kind != HTTP}
    binding = await _bind(sources)
    try:
        if ready is not None:
            ready({name: getattr(source, "port", 0) for name, source in sources.items()})
        await stop.wait()
    finally:
        for task in binding:
            task.cancel()
        await asyncio.gather(door.drain(drain_seconds), *(source.drain(drain_seconds) for source in sources.values()))
        await journal.close()


def _take_descriptors() -> None:
    """As many open files as the system grants: a thousand idle connections must not use up the last one."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(most, DESCRIPTORS) if most > 0 else DESCRIPTORS, most))


async def _bind(sources: Mapping[str, Source]) -> list[asyncio.Task[None]]:
    """Starts every listener. One whose address is taken is tried again while the others serve."""
    failed: list[tuple[str, Source, ConfigurationError]] = []
    for name, source in sources.items():
        try:
            await source.start()
        except ConfigurationError as error:
            failed.append((name, source, error))
    if failed and len(failed) == len(sources):
        raise failed[0][2]
    for name, _, problem in failed:
        log.error("listener not bound, trying again", extra={"feed": name, "reason": problem.code})
    return [asyncio.get_running_loop().create_task(_bind_later(source)) for _, source, _ in failed]


async def _bind_later(source: Source) -> None:
    while True:
        await asyncio.sleep(BIND_RETRY_SECONDS)
        with suppress(ConfigurationError):
            await source.start()
            return
