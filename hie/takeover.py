"""A changed configuration takes the place of the one in force, or nothing changes.

It is looked at completely before anything is touched (hie.reload). Then engines drain, intake changes its listeners one
by one, and engines and web start anew: for them this is an ordinary start. Intake acknowledges all the while; the
feeds that stay as they are keep their connections.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from sqlalchemy.exc import SQLAlchemyError

from hie import first_start, lastgood, reload
from hie.errors import ConfigurationError, HieError, StoreUnavailable
from hie.intake import client, door, journals
from hie.logs import get_logger

if TYPE_CHECKING:
    from hie.node import Node

log = get_logger(__name__)
BACKLOG_SECONDS = 10.0
"""Longest wait for the engines to work off what feeds brought that are taken out."""


class Takeover:
    """Reloads of one node. `announce` writes a line for the operator."""

    def __init__(self, node: Node, announce: Callable[[str], None]) -> None:
        self.node = node
        self.announce = announce

    def started(self) -> None:
        """What the node has started with is the last good configuration."""
        try:
            lastgood.keep(self.node.settings)
        except OSError as error:
            log.error("last-good-not-kept", kind=type(error).__name__)
        self._tell([], {})

    def attempt(self) -> None:
        before = self.node.settings.hash
        errors: list[ConfigurationError] = []
        changed: dict[str, Any] = {}
        try:
            changed = self._take_over()
        except reload.Refused as refused:
            errors = refused.errors
        except HieError as error:
            errors = [ConfigurationError(error.text, code=error.code, hint=error.hint)]
        except (SQLAlchemyError, OSError) as error:
            text = f"the database or the state directory takes no write ({type(error).__name__})"
            errors = [ConfigurationError(text, code="store-unavailable", hint="reload again once it does")]
        for wrong in errors:
            log.error("reload-refused", file=wrong.file, line=wrong.line, code=wrong.code)
            self.announce(f"hie: not reloaded, configuration {before} stays in force: {wrong}")
        if not errors:
            self.announce(f"hie: configuration {self.node.settings.hash} is in force, {before} was before")
        self._tell(errors, {**changed, "before": before})

    def _tell(self, errors: list[ConfigurationError], changed: dict[str, Any]) -> None:
        node = self.node
        try:
            reload.tell(node.settings.var, node.file, node.settings, errors, changed)
        except OSError as error:
            log.error("reload-not-told", kind=type(error).__name__)

    def _take_over(self) -> dict[str, Any]:
        node, processes = self.node, self.node.processes
        if node.file is None:
            raise ConfigurationError("this node runs without a configuration file", code="no-file", hint="hie init DIR")
        old, new = node.settings, reload.candidate(node.file, node.settings)
        for line in first_start.prepare(new):
            self.announce(line)
        lastgood.keep(new)
        # from here on nothing is refused: what fails is tried again by the processes themselves
        node.settings = new
        if {feed.name for feed in old.feeds} - {feed.name for feed in new.feeds}:
            self._intake(gone=True)
            with suppress(HieError, OSError):
                self._await_backlog()
        # engines first: they would read a new feed's messages without knowing it
        engines = [child for child in processes.children if child.stage == 1]
        processes.end(engines)
        changed = self._intake()
        pools = new.workers.pool * new.workers.engines
        processes.end([c for c in processes.children if c.name.startswith("pool-") and int(c.name[5:]) >= pools])
        processes.children = [
            c
            for c in processes.children
            if c not in engines and not (c.name.startswith("pool-") and int(c.name[5:]) >= pools)
        ]
        if (old.http.host, old.http.port) != (new.http.host, new.http.port):
            node.listen()
        processes.retire(processes.named("web"))
        node.add_workers()
        processes.start_due()
        return changed

    def _intake(self, gone: bool = False) -> dict[str, Any]:
        """Has intake take on what is in force (`gone`: only let go of the feeds that are no more). Where it does not
        answer, it starts anew, which is the same."""
        try:
            return client.reload(self.node.settings.var / door.SOCKET, gone)
        except StoreUnavailable:
            self.node.processes.end(self.node.processes.named("intake"))
            self.node.processes.start_due()
            return {}

    def _await_backlog(self) -> None:
        settings, deadline = self.node.settings, time.monotonic() + BACKLOG_SECONDS
        with journals.open_reader(settings.database_url, settings.var / "journal") as journal:
            newest = journal.latest()
        while self.node.behind(newest) and time.monotonic() < deadline:
            self.node.processes.start_due()
            self.node.processes.reap(0.05)
