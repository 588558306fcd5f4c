"""The clock: message times, leases of lanes, certificates and audit entries rest on it."""

from __future__ import annotations

import ctypes
import shutil
import struct
import subprocess
import time
from collections.abc import Iterator

from sqlalchemy import Connection, func, select, text

from hie.doctor.finding import Finding, fail, ok, warn
from hie.store.tables import message

STA_UNSYNC = 0x40
_STATUS_AT = 40
"""Offset of `status` in struct timex on 64-bit Linux."""
WATCHED_SECONDS = 0.5
JUMP_SECONDS = 0.1
APART_SECONDS = 1.0
FAR_SECONDS = 15.0
"""Half of what a lease of a lane lasts: beyond it two engines could both believe that they own one."""


def clock() -> Iterator[Finding]:
    yield _steady()
    synchronised = kernel_synchronised()
    if synchronised is None:
        yield ok("clock-unknown", "nobody here says whether the clock follows a time server")
    elif synchronised:
        yield ok("clock-synchronised", "the clock follows a time server")
    else:
        hint = "start chrony or systemd-timesyncd; in a container the host's clock counts"
        yield warn("clock-unsynchronised", "the clock follows no time server", hint)


def _steady() -> Finding:
    wall, steady = time.time(), time.monotonic()
    time.sleep(WATCHED_SECONDS)
    jumped = abs((time.time() - wall) - (time.monotonic() - steady))
    if jumped > JUMP_SECONDS:
        text = f"the clock was moved by {jumped:.1f} s within {WATCHED_SECONDS} s"
        return warn("clock-jumps", text, "two programs set it, or the virtual machine was paused")
    return ok("clock-steady", "the clock runs evenly")


def kernel_synchronised() -> bool | None:
    """By adjtimex, else by timedatectl; None where neither can be asked."""
    buffer = ctypes.create_string_buffer(512)
    try:
        state = ctypes.CDLL(None).adjtimex(buffer)
    except (OSError, AttributeError):
        state = -1
    if state >= 0:
        return not struct.unpack_from("i", buffer, _STATUS_AT)[0] & STA_UNSYNC
    if (program := shutil.which("timedatectl")) is None:
        return None
    asked = [program, "show", "--property=NTPSynchronized", "--value"]
    try:
        answer = subprocess.run(asked, capture_output=True, text=True, timeout=5, check=True).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return None
    return {"yes": True, "no": False}.get(answer)


def against_database(connection: Connection) -> Iterator[Finding]:
    """This clock and the server's, and whether messages of the future are stored."""
    if connection.dialect.name == "postgresql":
        before = time.time()
        there = float(connection.execute(text("SELECT extract(epoch FROM clock_timestamp())")).scalar_one())
        apart = max(before - there, there - time.time(), 0.0)
        said = f"this clock and the database's are {apart:.1f} s apart"
        if apart > FAR_SECONDS:
            yield fail("clock-apart", said, "set both by the same time server before anything else")
        elif apart > APART_SECONDS:
            yield warn("clock-apart", said, "set both by the same time server")
        else:
            yield ok("clock-agrees", said)
    newest = connection.execute(select(func.max(message.c.received_at))).scalar()
    if newest is not None and newest > time.time() + APART_SECONDS:
        said = f"the newest message was received {newest - time.time():.0f} s from now"
        yield fail("clock-behind", said, "the clock was set back: new messages would look older than those")
