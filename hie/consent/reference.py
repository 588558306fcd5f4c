"""FHIR references as the exchange compares them, and what a directory of people and organisations can say of them."""

from __future__ import annotations

import re
from typing import Any, Protocol

_HISTORY = re.compile(r"/_history/[^/]+\Z")
_RELATIVE = re.compile(r"[A-Z][A-Za-z]+/[A-Za-z0-9.-]{1,64}\Z")

CLINICAL_CONTEXT = frozenset(("Encounter", "EpisodeOfCare", "CarePlan"))
"""`related` and `dependents` mean the same for these: the resource itself and all that points to it (IHE PCF)."""

CARRIERS = frozenset(
    ("Patient", "Practitioner", "PractitionerRole", "Organization", "Location", "RelatedPerson", "Provenance",
     "MessageHeader", "Device", "Endpoint", "HealthcareService", "Group", "Person")
)  # fmt: skip
"""Types that only carry who and where: they go along with what they belong to, and never without it."""


def plain(reference: Any) -> str:
    """`Type/id` without a version, an absolute URL or urn as it is; "" where it is no reference."""
    if not isinstance(reference, str):
        return ""
    reference = reference.strip()
    return _HISTORY.sub("", reference) if "/_history/" in reference else reference


class Resolver(Protocol):
    """What compiling a consent asks about the references in it."""

    def resolves(self, reference: str) -> bool:
        """Is this somebody or something the exchange knows?"""

    def open_ended(self, reference: str) -> bool:
        """Is it a group whose members are described, not listed?"""

    def same(self, reference: str) -> frozenset[str]:
        """The reference and those that stand for it: a person's roles, an organisation's parts and roles."""

    def outgoing(self, reference: str) -> frozenset[str]:
        """What the resource itself points to; empty where it is not at hand."""

    def identified(self, system: str, value: str) -> frozenset[str]:
        """References of what carries this business identifier."""
