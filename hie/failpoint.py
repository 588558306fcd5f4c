"""Places where a process can be made to die, for the tests that prove recovery.

`HIE_FAILPOINT=name` in the environment kills the process (SIGKILL, so nothing is flushed or closed) the first time it
passes `failpoint("name")`; `HIE_FAILPOINT=name:7` the seventh time. Unset, a call does nothing and costs a function call.
"""

from __future__ import annotations

import os
import signal

_NAME, _, _COUNT = os.environ.get("HIE_FAILPOINT", "").partition(":")
_left = int(_COUNT or 1)


def _armed(name: str) -> None:
    global _left
    if name == _NAME:
        _left -= 1
        if _left <= 0:
            os.kill(os.getpid(), signal.SIGKILL)


def _unset(name: str) -> None:
    pass


failpoint = _armed if _NAME else _unset
