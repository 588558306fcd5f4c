"""What is wrong with a folder, told once when it begins and once when it ends, however often it is met."""

from __future__ import annotations

import errno
import logging

from hie.ports import Meter

log = logging.getLogger(__name__)
REASONS = {
    errno.ENOENT: "gone",
    errno.ENOTDIR: "gone",
    errno.ESTALE: "gone",
    errno.EHOSTDOWN: "gone",
    errno.ENOTCONN: "gone",
    errno.EACCES: "permission",
    errno.EPERM: "permission",
    errno.EROFS: "read-only",
    errno.ENOSPC: "full",
    errno.EDQUOT: "full",
}


def reason_of(error: OSError) -> str:
    """A word of a bounded list. Never the text: it holds the name of a file, and that may hold a patient's."""
    return REASONS.get(error.errno or 0, "input-output")


class Troubles:
    def __init__(self, feed: str, meter: Meter) -> None:
        self._feed = feed
        self._meter = meter
        self.now: set[str] = set()
        """`WHAT:REASON` of what is wrong."""

    def met(self, what: str, reason: str) -> None:
        self._meter.count("hie_folder_failures_total", feed=self._feed, reason=reason)
        if f"{what}:{reason}" not in self.now:
            self.now.add(f"{what}:{reason}")
            log.warning("folder-trouble", extra={"feed": self._feed, "where": what, "reason": reason})

    def over(self, what: str) -> None:
        for trouble in [t for t in self.now if t.startswith(f"{what}:")]:
            self.now.discard(trouble)
            log.info(
                "folder-well-again", extra={"feed": self._feed, "where": what, "reason": trouble.partition(":")[2]}
            )
