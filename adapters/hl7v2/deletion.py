"""The HL7 null `""`: the sender deletes what he told before, which is not the same as saying nothing.

A field of its own that is null is also a `Deleted` of its element (rules.py); every null place is named in a warning,
for it leaves nothing in a resource. Source: HL7 v2.8.2 section 2.5.3.
"""

from __future__ import annotations

from collections.abc import Iterable

from adapters.hl7v2.draft import Draft
from adapters.hl7v2.reader import Segment
from hie.model import Warning

NULL = '""'
TEXT = "the sender deletes this value"


def told(d: Draft, segments: Iterable[Segment]) -> None:
    """A warning for each null field, repetition or component."""
    for s in segments:
        for n, raw in enumerate(s.fields):
            if n and NULL in raw:
                _field(d, s, n, raw)


def _field(d: Draft, s: Segment, n: int, raw: str) -> None:
    if raw == NULL:
        d.warnings.append(Warning("value-deleted", d.where(s, n), TEXT))
        return
    repetitions = raw.split(d.message.repetition)
    for rep, part in enumerate(repetitions, 1):
        place = rep if len(repetitions) > 1 else 0
        components = part.split(d.message.component)
        if components[0] == NULL and not any(c not in ("", NULL) for c in components):
            d.warnings.append(Warning("value-deleted", d.where(s, n, place), TEXT))
            continue
        for at, component in enumerate(components, 1):
            if component == NULL:
                d.warnings.append(Warning("value-deleted", d.where(s, n, place, at), TEXT))
