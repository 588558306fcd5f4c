"""The parent process: loads the code once, forks the others, restarts the one that dies, drains them on stop.

Recovery is the normal start: nothing is cleaned up that a start would not find by itself.
"""

from __future__ import annotations

import ctypes
import fcntl
import gc
import os
import shutil
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from hie.errors import ConfigurationError
from hie.intake.pressure import Progress
from hie.intake.reading import NAME as READING
from hie.logs import get_logger
from hie.settings import Settings

log = get_logger(__name__)
PR_SET_PDEATHSIG = 1
FIRST_WAIT = 0.05
LONGEST_WAIT = 5.0
STEADY = 10.0
DRAIN_SECONDS = 15.0


@dataclass(slots=True)
class Child:
    """One process of the node. `stage` orders the drain: lower stages stop first."""

    name: str
    body: Callable[[], None]
    stage: int
    pid: int = 0
    started_at: float = 0.0
    wait: float = FIRST_WAIT
    due_at: float = 0.0


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
    """Supervises the processes of one node. `web` loads what the web process runs: the pages stand above the node."""

    def __init__(self, settings: Settings, web: Callable[[], Callable[[Settings], None]]) -> None:
        self.settings = settings
        self.web = web
        self.children: list[Child] = []
        self._stopping = False
        self._lock = -1

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
        wake = os.eventfd(0, os.EFD_NONBLOCK)
        progress = Progress(self.settings.workers.engines)
        for stop in (signal.SIGTERM, signal.SIGINT):
            signal.signal(stop, self._on_stop)
        # intake first: it imports little, so clinics get their acknowledgements while the rest still loads
        self._add("intake", lambda: _intake(self.settings, wake, progress), 0)
        self._start_due()
        from hie import first_start
        from hie.engine import process as engine_process  # noqa: F401 - loaded before the fork, shared by it
        from hie.understand import understand  # noqa: F401

        for line in first_start.prepare(self.settings):
            announce(line)
        workers = self.settings.workers
        for number in range(workers.pool * workers.engines):
            self._add(f"pool-{number}", partial(_pool, self.settings, number), 2)
        self._add(READING, partial(_reading, self.settings), 2)
        for number in range(workers.engines):
            name = f"engine-{number}" if number else "engine"
            self._add(name, partial(_engine, self.settings, number, wake, progress), 1)
        self._add("web", partial(self.web(), self.settings), 0)
        gc.collect()
        gc.freeze()
        announce(f"hie: node {self.settings.name!r} runs, state in {var}")
        while not self._stopping:
            self._start_due()
            self._reap(0.2)
        return self._drain()

    def _add(self, name: str, body: Callable[[], None], stage: int) -> None:
        self.children.append(Child(name, body, stage))

    def _on_stop(self, number: int, _: object) -> None:
        if not self._stopping:
            log.warning("node-stopping", reason=signal.Signals(number).name)
        self._stopping = True

    def _start_due(self) -> None:
        now = time.monotonic()
        for child in self.children:
            if not child.pid and child.due_at <= now:
                self._fork(child)

    def _fork(self, child: Child) -> None:
        sys.stdout.flush()
        sys.stderr.flush()
        parent = os.getpid()
        child.started_at = time.monotonic()
        child.pid = os.fork()
        if child.pid:
            (self.settings.var / "run" / f"{child.name}.pid").write_text(f"{child.pid}\n")
            return
        code = 1
        try:
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            os.close(self._lock)
            # a child never outlives its parent: an orphan would hold the ports of the next node
            ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
            if os.getppid() == parent:
                child.body()
                code = 0
        except BaseException as error:
            log.error("process-failed", process=child.name, kind=type(error).__name__, code=getattr(error, "code", ""))
            if isinstance(error, ConfigurationError):
                print(f"hie: {error}", file=sys.stderr)
            if os.environ.get("HIE_TRACEBACKS"):
                import traceback

                traceback.print_exc()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)

    def _reap(self, seconds: float) -> None:
        """Notices ended children for up to `seconds`."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and not self._stopping:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                pid, status = 0, 0
            if pid == 0:
                time.sleep(0.02)
                continue
            self._ended(pid, status)
            return

    def _ended(self, pid: int, status: int) -> None:
        for child in self.children:
            if child.pid != pid:
                continue
            child.pid = 0
            if self._stopping:
                return
            lived = time.monotonic() - child.started_at
            child.wait = FIRST_WAIT if lived > STEADY else min(LONGEST_WAIT, child.wait * 2)
            child.due_at = time.monotonic() + (0 if lived > STEADY else child.wait)
            log.error("process-ended", process=child.name, status=os.waitstatus_to_exitcode(status))

    def _drain(self) -> int:
        """Stops the processes stage by stage: first what accepts, then what works, last what it works with."""
        for stage in sorted({child.stage for child in self.children}):
            running = [child for child in self.children if child.stage == stage and child.pid]
            for child in running:
                os.kill(child.pid, signal.SIGTERM)
            deadline = time.monotonic() + DRAIN_SECONDS
            while any(child.pid for child in running) and time.monotonic() < deadline:
                pid, status = os.waitpid(-1, os.WNOHANG)
                if pid:
                    self._ended(pid, status)
                else:
                    time.sleep(0.02)
            for child in running:
                if child.pid:
                    log.error("drain-timeout", process=child.name)
                    os.kill(child.pid, signal.SIGKILL)
        return 0


def _intake(settings: Settings, wake: int, progress: Progress) -> None:
    import asyncio

    from hie.intake.process import run
    from hie.intake_feeds import intake_feeds
    from hie.metrics import meter

    feeds, size = intake_feeds(settings), settings.workers
    asyncio.run(run(feeds, settings.var, wake, meter(), progress=progress, backlog=size.backlog, memory=size.memory))


def _pool(settings: Settings, number: int) -> None:
    from hie.pool import serve
    from hie.understand import understand

    serve(settings.var, number, understand)


def _reading(settings: Settings) -> None:
    """Reads for senders that wait for it, apart from the pool: what ends it costs the engine nothing."""
    from hie.pool import serve
    from hie.understand import verdict

    serve(settings.var, READING, verdict)


def _engine(settings: Settings, number: int, wake: int, progress: Progress) -> None:
    from hie.engine.process import run

    run(settings, number, wake, progress)
