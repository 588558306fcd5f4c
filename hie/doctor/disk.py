"""The disks that state lies on: kind, room, speed, and who may read it."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Iterator
from pathlib import Path

from hie.api.health import DISK_RESERVE
from hie.doctor.finding import Finding, fail, ok, warn
from hie.doctor.mounts import Mount, mount_of
from hie.settings import Settings

AMPLE = 4 * DISK_RESERVE
FEW_INODES = 1000
SLOW_SECONDS = 0.025
ROUNDS = 20
IN_MEMORY = frozenset({"tmpfs", "ramfs", "devtmpfs"})
NETWORK = frozenset({"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "afs", "ceph", "glusterfs", "sshfs", "davfs"})
PRIVATE = ("keys", "secrets", "journal", "audit", "run")


def disk(settings: Settings) -> Iterator[Finding]:
    for place in places(settings):
        if not place.exists():
            yield from _not_there(place)
            continue
        mount = mount_of(place)
        yield from kind(place, mount)
        yield from room(place)
        if not mount.read_only:
            yield speed(place)
    if settings.var.exists():
        yield from readers(settings.var)


def places(settings: Settings) -> list[Path]:
    """Directories that must keep what they are given, one for each file system."""
    found = [settings.var, settings.var / "journal"]
    if settings.database_url.startswith("sqlite:///"):
        found.append(Path(settings.database_url.removeprefix("sqlite:///")).parent)
    devices: dict[int, Path] = {}
    for place in found:
        if place.exists():
            devices.setdefault(place.stat().st_dev, place)
    return list(devices.values()) or [settings.var]


def _not_there(place: Path) -> Iterator[Finding]:
    above = next(parent for parent in place.parents if parent.exists())
    if os.access(above, os.W_OK):
        yield ok("state-new", f"{place} is made at the first start")
        yield from kind(above, mount_of(above))
        yield from room(above)
    else:
        yield fail("state-not-writable", f"{place} cannot be made in {above}", "make it, owned by the node's user")


def kind(place: Path, mount: Mount) -> Iterator[Finding]:
    """What the file system is. What it confirms must survive power loss."""
    name = mount.kind
    if mount.read_only:
        yield fail("disk-read-only", f"{place} is mounted read-only", "mount it for writing; look for a failing disk")
    if name in IN_MEMORY:
        yield fail("disk-in-memory", f"{place} lies in memory ({name}): a restart loses everything", "use a disk")
    elif name in NETWORK or name.startswith("fuse."):
        hint = "use a local disk: locks and write-ahead logs of SQLite do not hold over a network"
        yield fail("disk-network", f"{place} lies on {name}", hint)
    elif name == "overlay":
        text = f"{place} lies in the layer of a container: it goes when the container goes"
        yield warn("disk-overlay", text, "mount a volume there")
    else:
        yield ok("disk-kind", f"{place} lies on {name or 'an unknown file system'}")


def room(place: Path) -> Iterator[Finding]:
    stat = os.statvfs(place)
    free = stat.f_bavail * stat.f_frsize
    text = f"{place} has {free >> 20} MB free"
    if free <= DISK_RESERVE:
        hint = f"free some: below {DISK_RESERVE >> 20} MB the node is not ready, below a quarter of it nothing is taken"
        yield fail("disk-full", text, hint)
    elif free <= AMPLE:
        yield warn("disk-low", text, f"below {DISK_RESERVE >> 20} MB the node is not ready any more")
    else:
        yield ok("disk-room", text)
    if stat.f_files and stat.f_favail < FEW_INODES:
        yield fail("disk-inodes", f"{place} can hold {stat.f_favail} more files", "remove small files there")


def speed(place: Path) -> Finding:
    """How long a commit waits: a few writes of 4 KB, each to the disk."""
    probe = place / f".doctor-{os.getpid()}"
    took = []
    try:
        handle = os.open(probe, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            for _ in range(ROUNDS):
                begun = time.perf_counter()
                os.write(handle, bytes(4096))
                os.fsync(handle)
                took.append(time.perf_counter() - begun)
        finally:
            os.close(handle)
            probe.unlink(missing_ok=True)
    except OSError as error:
        why = (error.strerror or type(error).__name__).lower()
        return fail("disk-no-write", f"{place} takes no write: {why}", "free space, or look at owner and permissions")
    median = statistics.median(took)
    text = f"{place} confirms a write after {median * 1000:.1f} ms (median of {ROUNDS})"
    if median > SLOW_SECONDS:
        return warn(
            "disk-slow", text, "every acknowledgement waits for it: use a local disk that nothing else keeps busy"
        )
    return ok("disk-speed", text)


def readers(var: Path) -> Iterator[Finding]:
    """State is patient data and keys: for the node's user alone."""
    wrong = []
    for path in (var, *(var / name for name in PRIVATE), *(var / "keys").glob("*"), *(var / "secrets").glob("*")):
        if not path.exists():
            continue
        stat = path.stat()
        if stat.st_uid != os.geteuid():
            text = f"{path} belongs to another user than the one who asks"
            yield warn("state-owner", text, "run the node, and hie doctor, as its owner")
        if stat.st_mode & 0o077:
            wrong.append(path)
    for path in wrong:
        hint = f"chmod {'700' if path.is_dir() else '600'} {path}"
        yield fail("state-open", f"others than its owner may read {path}", hint)
    if not wrong:
        yield ok("state-private", f"{var} is readable by its owner alone")
