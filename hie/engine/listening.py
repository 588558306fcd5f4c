"""Hears the notifications of other processes on a connection of its own. Nothing depends on one that is missed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

import psycopg

from hie.intake.postgres import connect
from hie.logs import get_logger

log = get_logger(__name__)
AGAIN = 1.0
"""Seconds before the next attempt to connect."""


class Listening:
    """`heard` is called on the event loop with the name of the channel."""

    def __init__(self, url: str, channels: Sequence[str], heard: Callable[[str], None]) -> None:
        self._url = url
        self._channels = channels
        self._heard = heard
        self._connection: psycopg.Connection[Any] | None = None

    async def run(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            lost = asyncio.Event()
            try:
                connection = await asyncio.to_thread(self._listen)
            except psycopg.Error as error:
                log.warning("not-listening", kind=type(error).__name__)
                await asyncio.sleep(AGAIN)
                continue
            self._connection = connection
            for channel in self._channels:  # what was said before
                self._heard(channel)
            descriptor = connection.fileno()
            loop.add_reader(descriptor, self._readable, connection, lost)
            try:
                await lost.wait()
            finally:
                loop.remove_reader(descriptor)
                self.close()

    def close(self) -> None:
        if self._connection is not None:
            with suppress(psycopg.Error):
                self._connection.close()
            self._connection = None

    def _listen(self) -> psycopg.Connection[Any]:
        connection = connect(self._url)
        for channel in self._channels:
            connection.execute(f"LISTEN {channel}")
        return connection

    def _readable(self, connection: psycopg.Connection[Any], lost: asyncio.Event) -> None:
        try:
            for channel in {notice.channel for notice in connection.notifies(timeout=0)}:
                self._heard(channel)
        except psycopg.Error:
            lost.set()
