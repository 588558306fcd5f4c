"""The node that runs on this state directory, if one does: its processes, and how far behind they are."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from pathlib import Path

from sqlalchemy.exc import DBAPIError

from hie import control
from hie.audit.key import SealKey, key_path
from hie.audit.seal import seals_path
from hie.doctor.finding import Finding, fail, ok, warn
from hie.errors import HieError
from hie.settings import Settings
from hie.store.database import open_reader
from hie.web import states

SEAL_SECONDS = 300
ANSWER_SECONDS = 5.0


def processes(settings: Settings) -> Iterator[Finding]:
    yield from _key(settings.var)
    if not running(settings.var):
        yield ok("node-stopped", "no node runs on this state directory")
        return
    gone = [name for name, pid in pids(settings.var).items() if not _alive(pid)]
    for name in gone:
        yield fail("process-gone", f"the process {name} has ended", "the parent starts it again; see the log for why")
    if not gone:
        yield ok("node-runs", f"the node runs: {', '.join(sorted(pids(settings.var)))}")
    try:
        control.ask(settings.var, "ping", {}, "cli:doctor", ANSWER_SECONDS)
    except (HieError, OSError) as error:
        said = error.text if isinstance(error, HieError) else "no answer in time"
        yield fail("engine-silent", f"the engine does not commit: {said}", "see database and disk above, and the log")
    else:
        yield ok("engine-answers", "the engine answers, and its writer commits")
    yield from lag(settings)


def running(var: Path) -> bool:
    """Whether a node holds the lock of the state directory."""
    try:
        handle = os.open(var / "run" / "node.lock", os.O_RDWR)
    except OSError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(handle)
    return False


def pids(var: Path) -> dict[str, int]:
    """Process name -> id, as the parent wrote them."""
    found = {}
    for file in (var / "run").glob("*.pid"):
        text = file.read_text().strip()
        if text.isdigit():
            found[file.stem] = int(text)
    return found


def _alive(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


def lag(settings: Settings) -> Iterator[Finding]:
    reader = open_reader(settings.database_url)
    now = time.time()
    try:
        with reader.connect() as connection:
            queue = states.waiting(connection, settings.var)
            behind = states.subscribers(connection, settings, now)
    except (DBAPIError, HieError) as error:
        yield warn("lag-unknown", f"how far behind it is cannot be read ({type(error).__name__})", "see database above")
        return
    finally:
        reader.dispose()
    oldest = 0.0 if queue.oldest is None else max(0.0, now - queue.oldest)
    said = f"{queue.total} accepted messages wait to be processed, the oldest for {oldest:.0f} s"
    if oldest > states.STUCK_SECONDS:
        yield fail("processing-stands", said, "see the engine and the database above, and the log")
    else:
        yield ok("processing", said)
    for state in behind:
        waits = 0.0 if state.oldest is None else max(0.0, now - state.oldest)
        said = f"subscriber {state.name}: {state.depth} deliveries wait, the oldest for {waits:.0f} s; {state.dead} dead letters"
        if state.word == states.Word.HEALTHY:
            yield ok("delivering", said)
        else:
            yield warn("delivery-behind", said, state.why)


def _key(var: Path) -> Iterator[Finding]:
    sealed = seals_path(var)
    if not key_path(var).exists() and not sealed.exists():
        yield ok("seal-key-new", "the sealing key is made at the first start")
        return
    try:
        SealKey.open(key_path(var))
    except (HieError, OSError) as error:
        text, hint = (error.text, error.hint) if isinstance(error, HieError) else ("the sealing key cannot be read", "")
        yield fail("seal-key", text, hint or "restore var/keys from the backup")
    else:
        yield ok("seal-key", "the sealing key is there; the backup needs var/keys and var/audit too")
    if running(var) and sealed.exists() and (age := time.time() - sealed.stat().st_mtime) > SEAL_SECONDS:
        text = f"the audit chain was last sealed {age:.0f} s ago"
        yield warn("seals-stand", text, "hie audit verify; see the log for seal-failed")
