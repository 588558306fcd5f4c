"""What is said of a file when it has ended: to the operator by a note beside it, by codes and counts alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from adapters.files.ending import Ending
from adapters.files.hand import Taken
from hie.model import Acknowledgement, Arrival, Receipt

INCOMPLETE = "batch-incomplete"
"""Flag of messages whose batch does not agree with its own counts."""
BATCH = "the counts of the batch (BTS-1, FTS-1) do not agree with what came, or a trailer is missing"


class Report:
    """One file whose messages are stored. `digest` is the sha256 of its bytes, `receipts` are by position."""

    def __init__(self, digest: str, size: int, arrivals: Sequence[Arrival], receipts: Mapping[int, Receipt]) -> None:
        self._file = {"sha256": digest, "bytes": size}
        self._arrivals = arrivals
        self._receipts = receipts
        self._refused = [i for i, arrival in enumerate(arrivals) if arrival.refusal is not None]
        self._incomplete = any(INCOMPLETE in arrival.flags for arrival in arrivals)

    @property
    def result(self) -> str:
        """done, repeated (all of it came before), partly-refused or refused."""
        if self._refused:
            return "refused" if len(self._refused) == len(self._arrivals) else "partly-refused"
        return "repeated" if all(r.duplicate_of for r in self._receipts.values()) else "done"

    def ending(self, taken: Taken) -> Ending:
        result = self.result
        whole = result == "refused"
        if result in ("done", "repeated") and not self._incomplete:
            return Ending(taken.path, False)
        note: dict[str, Any] = {"outcome": result, **_at(), **self._file, "messages": len(self._arrivals)}
        if self._refused:
            note["refused"] = [self._why(i) for i in self._refused]
        if self._incomplete:
            note["batch"] = BATCH
        parts = {i + 1: (self._arrivals[i].raw, {"outcome": "refused", **_at(), **self._why(i)}) for i in self._refused}
        return Ending(taken.path, whole, note, {} if whole else parts)

    def _why(self, at: int) -> dict[str, Any]:
        refusal = self._arrivals[at].refusal or Acknowledgement("AR")
        return {
            "message": at + 1,
            "code": f"{refusal.code}-{refusal.err}" if refusal.err else refusal.code,
            "err": refusal.err,
            "where": refusal.where,
            "text": refusal.text,
            "message_id": self._receipts[at].message_id,
        }


def empty(taken: Taken) -> Ending:
    return _refused(taken, "empty-file", 0, "the file is empty")


def too_large(taken: Taken, size: int, most: int) -> Ending:
    text = f"the file has {size} bytes; max_file_bytes of the feed is {most}"
    return _refused(taken, "AR-207", 207, text)


def _refused(taken: Taken, code: str, err: int, text: str) -> Ending:
    """A file of which nothing was stored."""
    return Ending(taken.path, True, {"outcome": "refused", **_at(), "code": code, "err": err, "text": text})


def _at() -> dict[str, str]:
    return {"at": datetime.now(UTC).isoformat(timespec="seconds")}
