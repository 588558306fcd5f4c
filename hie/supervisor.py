"""The processes of a node as its parent sees them: forked, started again when one dies, ended in order."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from hie.errors import ConfigurationError
from hie.logs import get_logger

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
    ending: bool = False
    """Told to stop: its end is no accident."""


class Supervisor:
    """`folder` gets a file with the id of each process. `in_child` is called in every new process, with its name."""

    def __init__(self, folder: Path, in_child: Callable[[str], None]) -> None:
        self.folder = folder
        self.in_child = in_child
        self.children: list[Child] = []
        self.stopping = False
        self._retired: list[Child] = []

    def add(self, name: str, body: Callable[[], None], stage: int) -> None:
        """Unless there is one of that name."""
        if name not in (child.name for child in self.children):
            self.children.append(Child(name, body, stage))

    def named(self, name: str) -> list[Child]:
        return [child for child in self.children if child.name == name]

    def start_due(self) -> None:
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
            (self.folder / f"{child.name}.pid").write_text(f"{child.pid}\n")
            return
        code = 1
        try:
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            signal.signal(signal.SIGHUP, signal.SIG_IGN)
            self.in_child(child.name)
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

    def reap(self, seconds: float) -> None:
        """Notices ended children for up to `seconds`."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and not self.stopping:
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
        for child in (*self.children, *self._retired):
            if child.pid != pid:
                continue
            child.pid = 0
            if self.stopping or child.ending:
                return
            lived = time.monotonic() - child.started_at
            child.wait = FIRST_WAIT if lived > STEADY else min(LONGEST_WAIT, child.wait * 2)
            child.due_at = time.monotonic() + (0 if lived > STEADY else child.wait)
            log.error("process-ended", process=child.name, status=os.waitstatus_to_exitcode(status))

    def end(self, children: Sequence[Child]) -> None:
        """Has them drain; one that does not end in time is killed. What is still among `children` starts again."""
        running = [child for child in children if child.pid]
        for child in running:
            child.ending = True
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
            child.ending = False

    def retire(self, children: Sequence[Child]) -> None:
        """Has them drain while others take their place: nobody waits for their end."""
        self._retired = [child for child in self._retired if child.pid]
        for child in children:
            self.children.remove(child)
            if child.pid:
                child.ending = True
                self._retired.append(child)
                os.kill(child.pid, signal.SIGTERM)

    def drain(self) -> None:
        """Stage by stage: first what accepts, then what works, last what it works with."""
        for stage in sorted({child.stage for child in self.children}):
            self.end([child for child in self.children if child.stage == stage])
