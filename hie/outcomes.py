"""Reason codes: the bounded list of why a message or a delivery ended as it did. Each has its sentence for people."""

from __future__ import annotations

from hie.model import DeliveryState, MessageOutcome

MESSAGE_REASONS: dict[str, tuple[MessageOutcome, str]] = {
    "routed": (MessageOutcome.ROUTED, "understood, attributed to a person and offered to the subscribers that match"),
    "no-subscriber": (MessageOutcome.ROUTED, "understood and kept; no subscription asks for it"),
    "empty": (MessageOutcome.ROUTED, "an empty frame or an acknowledgement: nothing to route"),
    "tapped": (MessageOutcome.ROUTED, "a copy of what the present engine sent, kept to be compared; it goes nowhere"),
    "duplicate": (MessageOutcome.DUPLICATE, "the same bytes under the same control id came before"),
    "refused": (MessageOutcome.REJECTED, "refused on reading its header; the sender was told; the bytes are kept"),
    "fragment": (MessageOutcome.QUARANTINED, "a frame that never ended; the bytes are kept"),
    "undecodable": (MessageOutcome.QUARANTINED, "no record can be made of the bytes"),
    "not-conformant": (
        MessageOutcome.QUARANTINED,
        "it breaks a rule of the profile that its feed is strict about; the bytes are kept and can be released",
    ),
    "no-subject": (MessageOutcome.QUARANTINED, "the message is about no patient"),
    "decoder-crashed": (
        MessageOutcome.QUARANTINED,
        "decoding ended its process again and again; the message is kept for study",
    ),
    "feed-gone": (
        MessageOutcome.QUARANTINED,
        "its feed was taken out of the configuration before it was read; released once the feed is back, it goes on",
    ),
    "internal-error": (
        MessageOutcome.QUARANTINED,
        "a defect of ours stopped the processing; the message is kept and can be replayed",
    ),
}

DELIVERY_REASONS: dict[str, tuple[DeliveryState, str]] = {
    "accepted": (DeliveryState.DELIVERED, "the subscriber took it"),
    "accepted-redacted": (
        DeliveryState.DELIVERED_REDACTED,
        "the subscriber took what it may have; the rest was held back",
    ),
    "denied": (DeliveryState.DENIED, "a rule forbids all of it"),
    "undecidable": (DeliveryState.WITHHELD, "consent could not be decided, so nothing was sent"),
    "leak-guard": (
        DeliveryState.WITHHELD,
        "words of a withheld item were found in what would have left, so nothing was sent",
    ),
    "shadow": (DeliveryState.WITHHELD, "shadow mode: it was decided and kept to be compared, and nothing was sent"),
    "not-encodable": (DeliveryState.DEAD_LETTERED, "it cannot be put into the subscriber's format"),
    "refused": (DeliveryState.DEAD_LETTERED, "the subscriber refused it for good"),
    "gave-up": (
        DeliveryState.DEAD_LETTERED,
        "the subscriber could not be reached for as long as its retry setting says",
    ),
    "internal-error": (
        DeliveryState.DEAD_LETTERED,
        "a defect of ours stopped the delivery; nothing was sent and it can be released",
    ),
    "subscriber-gone": (DeliveryState.DEAD_LETTERED, "the subscriber is no longer configured"),
    "merge-unheld": (DeliveryState.DENIED, "a merge is told only to those who already hold both identifiers"),
    "test-data": (DeliveryState.DENIED, "test or training data never goes to a production system"),
    "newer-version": (DeliveryState.SUPERSEDED, "a newer version of the same content went instead"),
    "unchanged": (DeliveryState.SUPERSEDED, "the subscriber holds the same content already"),
    "purged": (DeliveryState.PURGED, "an operator removed it, with a reason"),
    "expired": (DeliveryState.EXPIRED, "the subscription ended before it could go"),
}
