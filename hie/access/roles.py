"""Roles and what they may do. Every route names the one capability that it needs; nobody has what is not listed here."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from hie.errors import AccessDenied


class Capability(StrEnum):
    """Everything that can be allowed. A route without one of these does not exist."""

    INTAKE_SUBMIT = "intake-submit"
    """Post messages into the feed that the credential is for."""
    RECORD_READ = "record-read"
    """Read, search and count clinical records, with a purpose, through consent."""
    PATIENT_MATCH = "patient-match"
    """Ask who a person is ($match)."""
    EMERGENCY_ACCESS = "emergency-access"
    """Open the records of one patient in an emergency."""
    EMERGENCY_REVIEW = "emergency-review"
    """Review emergency accesses."""
    SUBSCRIPTION_OWN = "subscription-own"
    """See and change the own subscription and the state of the own deliveries."""
    QUEUES_READ = "queues-read"
    """Feeds, queues, deliveries, a message's life: states and reasons, no content."""
    QUEUES_MANAGE = "queues-manage"
    """Pause, redeliver, reprocess, release, purge."""
    CODES_READ = "codes-read"
    """Local codes and unread fields of each sender, with counts: no content."""
    CONTENT_READ = "content-read"
    """See what a message says, with a reason that is written down."""
    EXPLAIN = "explain"
    """Ask why something was or was not delivered, with content."""
    CONSENT_READ = "consent-read"
    """Read and search consents."""
    CONSENT_WRITE = "consent-write"
    """Record, replace and revoke consents."""
    LABEL_CHANGE = "label-change"
    """Lower or set sensitivity labels by hand."""
    POLICY_CHANGE = "policy-change"
    """Propose a jurisdiction policy."""
    POLICY_APPROVE = "policy-approve"
    """Approve what somebody else proposed."""
    RELEASE = "release"
    """Release records by hand: law enforcement, court order, coroner."""
    EXPORT = "export"
    """Hand out a patient's whole record."""
    ACCOUNTING_READ = "accounting-read"
    """Accounting of disclosures of a patient."""
    AUDIT_READ = "audit-read"
    """The audit log."""
    REVIEW_READ = "review-read"
    """Possible matches with the demographics on both sides."""
    REVIEW_DECIDE = "review-decide"
    """Link, keep apart, undo."""
    REVIEW_SECOND = "review-second"
    """Confirm what another steward decided."""
    METRICS_READ = "metrics-read"
    """Read `/metrics`."""
    STATUS_READ = "status-read"
    """Readiness, configuration without secrets, the start page of the console."""
    ACCESS_MANAGE = "access-manage"
    """Users, programs and tokens."""


class Role(StrEnum):
    """Every role. A person may have several; programs have one."""

    ADMINISTRATOR = "administrator"
    """Configuration, queues, users. Sees no content."""
    OPERATOR = "operator"
    """Keeps traffic flowing. Sees no content."""
    PRIVACY_OFFICER = "privacy-officer"
    """Consents, labels, releases, accounting, emergency review."""
    STEWARD = "steward"
    """Decides who is who."""
    SECOND_REVIEWER = "second-reviewer"
    """The second person where two must agree."""
    AUDITOR = "auditor"
    """Reads the log and changes nothing."""
    CLINICIAN = "clinician"
    """Reads records for a purpose, through consent."""
    FEED = "feed"
    """A sender: may post to its own feed, nothing else."""
    SUBSCRIBER = "subscriber"
    """A receiving program: reads for its participant, through consent."""
    METRICS = "metrics"
    """A monitoring program."""


NAMES: Final = frozenset(role.value for role in Role)

_C = Capability

CAPABILITIES: Final[dict[Role, frozenset[Capability]]] = {
    Role.ADMINISTRATOR: frozenset(
        {
            _C.ACCESS_MANAGE,
            _C.QUEUES_READ,
            _C.QUEUES_MANAGE,
            _C.CODES_READ,
            _C.METRICS_READ,
            _C.STATUS_READ,
            _C.POLICY_CHANGE,
        }
    ),
    Role.OPERATOR: frozenset({_C.QUEUES_READ, _C.QUEUES_MANAGE, _C.CODES_READ, _C.METRICS_READ, _C.STATUS_READ}),
    Role.PRIVACY_OFFICER: frozenset(
        {
            _C.CONSENT_READ,
            _C.CONSENT_WRITE,
            _C.LABEL_CHANGE,
            _C.POLICY_CHANGE,
            _C.POLICY_APPROVE,
            _C.RELEASE,
            _C.EXPORT,
            _C.ACCOUNTING_READ,
            _C.AUDIT_READ,
            _C.EMERGENCY_REVIEW,
            _C.CONTENT_READ,
            _C.EXPLAIN,
            _C.QUEUES_READ,
            _C.CODES_READ,
            _C.STATUS_READ,
        }
    ),
    Role.STEWARD: frozenset({_C.REVIEW_READ, _C.REVIEW_DECIDE, _C.STATUS_READ}),
    Role.SECOND_REVIEWER: frozenset({_C.REVIEW_READ, _C.REVIEW_SECOND, _C.POLICY_APPROVE, _C.RELEASE, _C.STATUS_READ}),
    Role.AUDITOR: frozenset({_C.AUDIT_READ, _C.ACCOUNTING_READ, _C.QUEUES_READ, _C.CONSENT_READ, _C.STATUS_READ}),
    Role.CLINICIAN: frozenset({_C.RECORD_READ, _C.PATIENT_MATCH, _C.EMERGENCY_ACCESS, _C.STATUS_READ}),
    Role.FEED: frozenset({_C.INTAKE_SUBMIT}),
    Role.SUBSCRIBER: frozenset({_C.RECORD_READ, _C.PATIENT_MATCH, _C.SUBSCRIPTION_OWN}),
    Role.METRICS: frozenset({_C.METRICS_READ}),
}

NEEDS_PARTICIPANT: Final = frozenset({Role.CLINICIAN, Role.SUBSCRIBER})
"""Consent decides for an organisation: without one, these roles could be given nothing."""

FOR_PROGRAMS: Final = frozenset({Role.FEED, Role.SUBSCRIBER, Role.METRICS})


@dataclass(frozen=True, slots=True)
class Principal:
    """Who calls. `kind` is user, client or feed; `feed` the only feed that a feed's credential may post to."""

    name: str
    kind: str
    roles: frozenset[Role]
    participant: str = ""
    capabilities: frozenset[Capability] = frozenset()
    feed: str = ""

    @property
    def actor(self) -> str:
        """As the audit chain names it: `user:alice`."""
        return f"{self.kind}:{self.feed or self.name}"


def capabilities(roles: frozenset[Role]) -> frozenset[Capability]:
    return frozenset().union(*(CAPABILITIES[role] for role in roles))


def require(principal: Principal, capability: Capability, feed: str | None = None) -> None:
    """Raises AccessDenied unless `principal` has `capability`, and for a feed's credential unless it is for `feed`."""
    if capability not in principal.capabilities:
        raise AccessDenied(f"this needs the right {capability.value}", code="not-allowed")
    if capability is Capability.INTAKE_SUBMIT and (not principal.feed or principal.feed != feed):
        raise AccessDenied("this credential is for another feed", code="not-allowed")
