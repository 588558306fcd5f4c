"""The parent process: loads the code once, forks the others, restarts the one that dies, drains them on stop.

Recovery is the normal start: nothing is cleaned up that a start would not find by itself. A changed configuration
(SIGHUP) is a new start of engines and web, while intake goes on (hie.takeover).
"""

from __future__ import annotations

import fcntl
import gc
import os
import shutil
import signal
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from socket import socket
from typing import Protocol

from hie.errors import ConfigurationError
from hie.intake.position import Position
from hie.intake.pressure import Progress
from hie.intake.reading import NAME as READING
from hie.logs import get_logger
from hie.sections import Http
from hie.settings import Settings
from hie.supervisor import Supervisor

log = get_logger(__name__)


class Web(Protocol):
    """What the web process runs. The parent binds, so that nobody is refused while one web process follows another."""

    def bind(self, http: Http) -> socket: ...

    def run(self, settings: Settings, listener: socket | None = None) -> None: ...


def prepare_directories(var: Path) -> None:
    """`var/` and what lies in it: readable by the node's user alone. Sockets and metrics of an earlier run are wiped."""
    for name in ("journal", "run", "keys", "secrets", "audit", "metrics"):
        (var / name).mkdir(parents=True, exist_ok=True)
    for path in (var, *var.iterdir()):
        if path.is_dir():
            path.chmod(0o700)
    for stale in (*(var / "run").glob("*.sock"), *(var / "run").glob("*.port")):
        stale.unlink(missing_ok=True)
    shutil.rmtree(var / "metrics")
    (var / "metrics").mkdir(mode=0o700)


def lock(var: Path) -> int:
    """One node at a time on one `var/`. The lock goes with the process, however it ends. Raises ConfigurationError."""
    handle = os.open(var / "run" / "node.lock", os.O_RDWR | os.O_CREAT, 0o600)
    deadline = time.monotonic() + 3
    while True:
        try:
            # children do not inherit it: an orphan must not keep the next node out
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            if time.monotonic() > deadline:
                raise ConfigurationError(
                    f"another node runs on {var}", code="already-running", hint="stop it, or set another `var`"
                ) from None
            time.sleep(0.05)
            continue
        os.ftruncate(handle, 0)
        os.write(handle, f"{os.getpid()}\n".encode())
        return handle


class Node:
    """Runs one node. `web` loads what the web process runs: the pages stand above the node. `file` is the configuration
    that is read again on SIGHUP."""

    def __init__(self, settings: Settings, web: Callable[[], Web], file: Path | None = None) -> None:
        self.settings = settings
        self.web = web
        self.file = file
        self.processes = Supervisor(settings.var / "run", self._in_child)
        self._progress = Progress()
        self._reload_asked = False
        self._terminal = os.isatty(0)
        self._lock = -1
        self._wake = -1
        self._http: socket | None = None

    def run(self, announce: Callable[[str], None] = print) -> int:
        """Until SIGTERM or SIGINT. Answers the exit code."""
        var = self.settings.var
        try:
            var.mkdir(parents=True, exist_ok=True)
            (var / "run").mkdir(mode=0o700, exist_ok=True)
            self._lock = lock(var)
            prepare_directories(var)
        except OSError as error:
            why = (error.strerror or type(error).__name__).lower()
            text = f"the state directory cannot be used: {why}"
            raise ConfigurationError(text, file=str(var), code="var-unusable") from None
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(var / "metrics")
        self._wake = os.eventfd(0, os.EFD_NONBLOCK)
        for stop in (signal.SIGTERM, signal.SIGINT):
            signal.signal(stop, self._on_stop)
        signal.signal(signal.SIGHUP, self._on_hangup)
        # intake first: it imports little, so clinics get their acknowledgements while the rest still loads
        self.processes.add("intake", lambda: _intake(self.settings, self._wake, self._progress), 0)
        self.processes.start_due()
        from hie import first_start
        from hie.engine import process as engine_process  # noqa: F401 - loaded before the fork, shared by it
        from hie.takeover import Takeover
        from hie.understand import understand  # noqa: F401

        for line in first_start.prepare(self.settings):
            announce(line)
        takeover = Takeover(self, announce)
        takeover.started()
        self.listen()
        self.add_workers()
        gc.collect()
        gc.freeze()
        announce(f"hie: node {self.settings.name!r} runs, state in {var}")
        while not self.processes.stopping:
            if self._reload_asked:
                self._reload_asked = False
                takeover.attempt()
            self.processes.start_due()
            self.processes.reap(0.2)
        if self._http is not None:
            self._http.close()
        self.processes.drain()
        return 0

    def add_workers(self) -> None:
        """Every process but intake, unless it is there."""
        add, settings = self.processes.add, self.settings
        for number in range(settings.workers.pool * settings.workers.engines):
            add(f"pool-{number}", partial(_pool, settings, number), 2)
        add(READING, partial(_reading, settings), 2)
        for number in range(settings.workers.engines):
            name = f"engine-{number}" if number else "engine"
            add(name, partial(_engine, settings, number, self._wake, self._progress), 1)
        add("web", partial(self.web().run, settings, self._http), 0)

    def listen(self) -> None:
        """Binds the address of the web process anew; where it cannot be had, that process says so, and tries again."""
        if self._http is not None:
            self._http.close()
        try:
            self._http = self.web().bind(self.settings.http)
        except ConfigurationError:
            self._http = None

    def behind(self, newest: Position) -> int:
        """Accepted messages up to `newest` that the engines have not applied yet."""
        return self._progress.waiting(newest)

    def _in_child(self, name: str) -> None:
        os.close(self._lock)
        if self._http is not None and name != "web":
            self._http.close()

    def _on_stop(self, number: int, _: object) -> None:
        if not self.processes.stopping:
            log.warning("node-stopping", reason=signal.Signals(number).name)
        self.processes.stopping = True

    def _on_hangup(self, number: int, _: object) -> None:
        if self._terminal and not os.isatty(0):
            self._on_stop(number, None)  # the terminal it was started from has gone
        self._reload_asked = True


def _intake(settings: Settings, wake: int, progress: Progress) -> None:
    import asyncio

    from hie.intake.process import IntakeFeed, run
    from hie.intake_feeds import intake_feeds
    from hie.metrics import meter

    def again() -> tuple[IntakeFeed, ...]:
        from hie import lastgood

        return intake_feeds(lastgood.load(settings.var))

    feeds, size = intake_feeds(settings), settings.workers
    serving = run(
        feeds,
        settings.var,
        wake,
        meter(),
        progress=progress,
        backlog=size.backlog,
        memory=size.memory,
        again=again,
        database_url=settings.database_url,
    )
    asyncio.run(serving)


def _pool(settings: Settings, number: int) -> None:
    from hie.pool import serve
    from hie.understand import answer

    serve(settings.var, number, answer)


def _reading(settings: Settings) -> None:
    """Reads for senders that wait for it, apart from the pool: what ends it costs the engine nothing."""
    from hie.pool import serve
    from hie.understand import verdict

    serve(settings.var, READING, verdict)


def _engine(settings: Settings, number: int, wake: int, progress: Progress) -> None:
    from hie.engine.process import run

    run(settings, number, wake, progress)
