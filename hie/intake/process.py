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
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hie import registry
from hie.intake.budget import Budget
from hie.intake.dedupe import Window
from hie.intake.door import Door
from hie.intake.entrance import Entrance
from hie.intake.journals import JOURNAL, open_writer
from hie.intake.listeners import Listeners
from hie.intake.opening import Opening
from hie.intake.payload import Seal
from hie.intake.pressure import Pressure, Progress
from hie.intake.reading import Context, Reading
from hie.ports import Accept, Meter, Source

log = logging.getLogger(__name__)
DESCRIPTORS = 65_536


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
    history: bool = False
    """Whether its messages wait until nothing live does (hie.intake.pressure)."""
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
    again: Callable[[], Sequence[IntakeFeed]] | None = None,
    database_url: str = "",
) -> None:
    """Serves until SIGTERM or SIGINT, then answers what is in hand and ends.

    `directory` is the state directory; `wake` an eventfd written after every commit (-1: none). `ready` is called with
    the port of every listener once all of them could be tried. `progress` and `backlog`: hie.intake.pressure; `memory`: bytes in flight over all
    listeners; `again` reads the feeds anew when the node asks for it; the journal lies in the PostgreSQL of `database_url`,
    or in files where it is another. Raises ConfigurationError where none can be bound.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    # short turns between loop and writer; little cyclic garbage arises here, so full collections are rare
    sys.setswitchinterval(0.001)
    gc.set_threshold(50_000, 20, 100)
    _take_descriptors()
    known = _Known()
    known.take(feeds)
    journal = open_writer(
        database_url, directory / JOURNAL, known.windows, history=known.history, wake=wake, seal=seal, meter=meter
    )
    journal.start()
    taken: Accept = (
        journal.submit if progress is None else Pressure(journal.submit, progress, backlog, history=known.history)
    )
    # a node has a process that reads, and says how each feed's messages are to be read
    reading = Reading(directory, known.contexts) if known.contexts else None
    accept = Entrance(taken, Budget(memory), reading)
    listeners = Listeners(lambda feed: feed.source(accept, meter))

    async def change(gone: bool) -> dict[str, object]:
        assert again is not None
        wanted = again()
        names = {feed.name for feed in wanted}
        if gone:
            answer = await listeners.let_go(names, drain_seconds)
        else:
            known.take(wanted)
            answer = await listeners.change(wanted, drain_seconds)
        # what drains is still taken in; who is gone is forgotten after that
        known.drop_others(names)
        return answer

    door = Door(directory, accept, known.windows, change if again is not None else None, lambda: journal.healthy)
    await door.start()
    await listeners.start(feeds)
    try:
        if ready is not None:
            ready(listeners.ports())
        await stop.wait()
    finally:
        await asyncio.gather(door.drain(drain_seconds), listeners.drain(drain_seconds))
        await journal.close()


class _Known:
    """What is looked up by the name of a feed with every arrival. Journal, door and readers hold these very objects."""

    def __init__(self) -> None:
        self.windows: dict[str, Window] = {}
        self.contexts: dict[str, Context] = {}
        self.history: set[str] = set()

    def take(self, feeds: Sequence[IntakeFeed]) -> None:
        for feed in feeds:
            self.windows[feed.name] = feed.window
            if feed.context is not None:
                self.contexts[feed.name] = feed.context
            (self.history.add if feed.history else self.history.discard)(feed.name)

    def drop_others(self, names: Collection[str]) -> None:
        for name in self.windows.keys() - set(names):
            del self.windows[name]
            self.contexts.pop(name, None)


def _take_descriptors() -> None:
    """As many open files as the system grants: a thousand idle connections must not use up the last one."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(most, DESCRIPTORS) if most > 0 else DESCRIPTORS, most))
