"""One look at everything. A part that fails is a finding itself, and the others are looked at all the same."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from hie.doctor.certificates import certificates
from hie.doctor.clock import clock
from hie.doctor.database import database
from hie.doctor.disk import disk
from hie.doctor.environment import environment
from hie.doctor.finding import Finding, fail, ok, warn
from hie.doctor.listeners import listeners
from hie.doctor.processes import processes, running
from hie.doctor.subscribers import subscribers
from hie.examination import examine
from hie.reload import told
from hie.settings import Settings

PARTS: dict[str, Callable[[Settings], Iterator[Finding]]] = {
    "environment": environment,
    "disk": disk,
    "clock": lambda settings: clock(),
    "database": database,
    "certificates": certificates,
    "listeners": listeners,
    "subscribers": subscribers,
    "node": processes,
}


def rounds(settings: Settings) -> Iterator[tuple[str, Finding]]:
    """(part, finding), as they are found."""
    for name, part in PARTS.items():
        try:
            for finding in part(settings):
                yield name, finding
        except Exception as error:
            # whatever it was, its text may quote what was being looked at
            text = f"looking at this failed ({type(error).__name__})"
            yield name, fail("doctor-failed", text, "run it as the node's user; else it is a defect of ours")


def of_configuration(file: Path | None) -> Iterator[tuple[str, Finding]]:
    """What `hie check` would say, as findings."""
    if file is None:
        return
    found = examine(file)
    for error in found.errors:
        yield "configuration", fail(error.code, f"{error.file}:{error.line}: {error.text}", error.hint)
    for one in found.warnings:
        yield "configuration", warn(one.code, f"{one.file}:{one.line}: {one.text}", one.hint)
    if found.errors:
        return
    yield "configuration", ok("configuration", f"{file}: no errors")
    settings = found.accepted()
    force = told(settings.var)
    if running(settings.var) and force and force["hash"] != settings.hash:
        text = f"the node runs with version {force['hash']}, the file is {settings.hash}"
        yield "configuration", warn("configuration-not-loaded", text, "hie reload")
