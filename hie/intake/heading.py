"""What is known of an arrival beside its bytes, as JSON: for the local door and for the journal on PostgreSQL.

Texts that may hold any byte (MSH-10) are Latin-1; JSON escapes what a database's text cannot hold (NUL).
"""

from __future__ import annotations

from typing import Any

import orjson

from hie.model import Acknowledgement, Arrival, Keys


def encode(arrival: Arrival) -> bytes:
    keys = arrival.keys
    return orjson.dumps(
        {
            "feed": arrival.feed,
            "format": arrival.format,
            "source": arrival.source,
            "keys": None
            if keys is None
            else [keys.control_id.decode("latin-1"), keys.event, keys.ordering, keys.sender, keys.processing],
            "refusal": None if arrival.refusal is None else tuple(arrival.refusal),
            "flags": arrival.flags,
        }
    )


def decode(heading: bytes | str, raw: bytes) -> Arrival:
    """Raises ValueError, KeyError or TypeError where the heading is none."""
    said: dict[str, Any] = orjson.loads(heading)
    keys = None
    if said["keys"] is not None:
        control_id, event, ordering, sender, processing = said["keys"]
        keys = Keys(said["format"], control_id.encode("latin-1"), event, tuple(ordering), sender, processing)
    refusal = None if said["refusal"] is None else Acknowledgement(*said["refusal"])
    return Arrival(said["feed"], said["format"], raw, said["source"], keys, refusal, tuple(said["flags"]))
