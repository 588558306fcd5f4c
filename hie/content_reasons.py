"""Why somebody may look at what a message says: code -> as a form asks. The code is written into the audit log first."""

from __future__ import annotations

REASONS = {
    "delivery-problem": "a subscriber asks about something it did or did not get",
    "decoding-problem": "it was not understood, or not fully",
    "identity-question": "it may be about another person",
    "patient-request": "the patient asks",
    "sender-request": "the sender asks",
    "privacy-review": "a privacy review or complaint",
}
