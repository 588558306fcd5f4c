"""The command line starts fast: what it imports is counted in CPU seconds and memory, in a process of its own."""

from __future__ import annotations

import subprocess
import sys

PROBE = """
import resource, sys
import hie.cli
from hie.cli import COMMANDS, command
for name in COMMANDS:
    command(name)
usage = resource.getrusage(resource.RUSAGE_SELF)
# not ru_maxrss: the kernel lets it begin with what the parent had
peak = next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM:"))
print(usage.ru_utime + usage.ru_stime, peak / 1024, [m for m in ("pandas", "recordlinkage", "sklearn", "numpy") if m in sys.modules])
"""


def test_importing_every_command_is_cheap_and_pulls_in_no_training_library() -> None:
    done = subprocess.run([sys.executable, "-c", PROBE], capture_output=True, text=True, check=True)
    seconds, megabytes, heavy = done.stdout.split(" ", 2)
    assert float(seconds) <= 2.5
    assert float(megabytes) <= 90
    assert heavy.strip() == "[]"
