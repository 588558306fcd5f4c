"""The addresses that this node listens on: free, or its own already."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from hie.addresses import addresses, taken
from hie.doctor.finding import Finding, fail, ok
from hie.doctor.processes import pids
from hie.settings import Settings


def listeners(settings: Settings) -> Iterator[Finding]:
    mine = _sockets(pids(settings.var).values())
    for who, host, port, _ in addresses(settings):
        if why := taken(host, port):
            if _listening(port) & mine:
                yield ok("port-ours", f"{who}: this node listens on {host}:{port}")
            else:
                hint = "another program has it: stop that one, or set another port"
                yield fail("port-taken", f"{who}: {host}:{port}: {why}", hint)
        else:
            yield ok("port-free", f"{who}: {host}:{port} is free")


def _listening(port: int) -> set[str]:
    """Inodes of the sockets that listen on a port, by /proc/net."""
    found = set()
    for table in ("tcp", "tcp6"):
        try:
            lines = Path(f"/proc/net/{table}").read_text().splitlines()[1:]
        except OSError:
            continue
        for line in lines:
            fields = line.split()
            if fields[3] == "0A" and int(fields[1].rpartition(":")[2], 16) == port:
                found.add(fields[9])
    return found


def _sockets(processes: Iterable[int]) -> set[str]:
    found = set()
    for pid in processes:
        try:
            for handle in Path(f"/proc/{pid}/fd").iterdir():
                target = os.readlink(handle)
                if target.startswith("socket:["):
                    found.add(target[8:-1])
        except OSError:
            continue
    return found
