"""Which types of resource this node takes from senders: every R4 type that can say something of a patient or beside one."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from hie.fhir.validate import types

NOT_TAKEN: Final = {
    "Subscription": "what a subscriber gets is arranged with the operator of this node",
    "AuditEvent": "an audit event is the sender's own",
    "OperationOutcome": "an answer that the sender was given is no fact about a patient",
}
"""Types that R4 knows and this node refuses, with the reason."""
CARRIERS: Final = ("Bundle", "Parameters")
"""Types that only carry others."""


@lru_cache(maxsize=1)
def taken() -> frozenset[str]:
    """Names of the types that are taken as resources of their own."""
    return frozenset(
        name
        for name, made in types().items()
        if "meta" in made.elements and "id" in made.elements and name not in NOT_TAKEN and name not in CARRIERS
    )
