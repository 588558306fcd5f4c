"""The listeners of the intake process: bound together, changed one by one, so that a feed that stays as it is keeps its
connections while another comes or goes."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection, Iterable
from contextlib import suppress
from typing import TYPE_CHECKING

from hie.errors import ConfigurationError
from hie.ports import Source

if TYPE_CHECKING:
    from hie.intake.process import IntakeFeed

log = logging.getLogger(__name__)
BIND_RETRY_SECONDS = 2.0
HTTP = "http"
"""Source kind of feeds without a listener here: the web process hands their arrivals over."""


class Listeners:
    """`build` makes the source of a feed. Everything runs on the event loop."""

    def __init__(self, build: Callable[[IntakeFeed], Source]) -> None:
        self._build = build
        self._feeds: dict[str, IntakeFeed] = {}
        self._sources: dict[str, Source] = {}
        self._binding: dict[str, asyncio.Task[None]] = {}

    def ports(self) -> dict[str, int]:
        """Of every listener; 0 where one has no port."""
        return {name: getattr(source, "port", 0) for name, source in self._sources.items()}

    async def start(self, feeds: Iterable[IntakeFeed]) -> None:
        """Starts every listener. Raises ConfigurationError where none could be bound."""
        failed = await self._begin(feeds)
        if failed and len(failed) == len(self._sources):
            raise next(iter(failed.values()))

    async def _begin(self, feeds: Iterable[IntakeFeed]) -> dict[str, ConfigurationError]:
        """One whose address is taken is tried again while the others serve; answers which, and why."""
        failed: dict[str, ConfigurationError] = {}
        # all are built before one is bound: settings that no listener can be made of are no matter of trying again
        built = {feed.name: (feed, self._build(feed)) for feed in feeds if feed.kind != HTTP}
        for name, (feed, source) in built.items():
            self._feeds[name], self._sources[name] = feed, source
            try:
                await source.start()
            except ConfigurationError as error:
                failed[name] = error
        for name, problem in failed.items():
            log.error("listener not bound, trying again", extra={"feed": name, "reason": problem.code})
            self._binding[name] = asyncio.get_running_loop().create_task(self._bind_later(name))
        return failed

    async def change(self, feeds: Iterable[IntakeFeed], seconds: float) -> dict[str, object]:
        """Another set of feeds: those that are gone or changed drain first (`seconds` at most), then the new ones bind."""
        wanted = {feed.name: feed for feed in feeds if feed.kind != HTTP}
        ended = [name for name, feed in self._feeds.items() if name not in wanted or _other(feed, wanted[name])]
        begun = [feed for name, feed in wanted.items() if name not in self._feeds or name in ended]
        await self._end(ended, seconds)
        kept = sorted(self._sources)
        return {"kept": kept, "ended": ended, "unbound": list(await self._begin(begun))}

    async def let_go(self, names: Collection[str], seconds: float) -> dict[str, object]:
        """Drains the listeners of all feeds but these."""
        ended = [name for name in self._sources if name not in names]
        await self._end(ended, seconds)
        return {"ended": ended}

    async def drain(self, seconds: float) -> None:
        await self._end(list(self._sources), seconds)

    async def _end(self, names: list[str], seconds: float) -> None:
        for name in names:
            if (task := self._binding.pop(name, None)) is not None:
                task.cancel()
        await asyncio.gather(*(self._sources[name].drain(seconds) for name in names))
        for name in names:
            del self._sources[name], self._feeds[name]

    async def _bind_later(self, name: str) -> None:
        while True:
            await asyncio.sleep(BIND_RETRY_SECONDS)
            with suppress(ConfigurationError):
                await self._sources[name].start()
                del self._binding[name]
                return


def _other(old: IntakeFeed, new: IntakeFeed) -> bool:
    """Whether the listener itself has to change; how repeats are recognised and messages read is looked up at each."""
    return (old.format, old.kind, old.settings) != (new.format, new.kind, new.settings)
