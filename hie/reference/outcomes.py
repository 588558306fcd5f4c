"""The page of outcomes: how a message or a delivery can end, and every reason code with its sentence."""

from __future__ import annotations

from hie.model import DeliveryState, MessageOutcome
from hie.outcomes import DELIVERY_REASONS, MESSAGE_REASONS
from hie.reference.markdown import described, table

_HEAD = """# Outcomes

Every received message ends in exactly one outcome, every delivery in exactly one final state, each with a code of this
page. `hie trace MESSAGE_ID` and the console show them; `hie_messages_processed_total` and `hie_outcomes_total` count them.
"""


def page() -> str:
    states = described(DeliveryState)
    return "\n\n".join(
        [
            _HEAD.strip(),
            "## Received messages",
            table(("outcome", "meaning"), _members(described(MessageOutcome), MessageOutcome)),
            table(
                ("code", "outcome", "sentence"),
                [(f"`{code}`", state.value, text) for code, (state, text) in MESSAGE_REASONS.items()],
            ),
            "## Deliveries",
            table(
                ("state", "final", "meaning"),
                [
                    (f"`{DeliveryState[name].value}`", "yes" if DeliveryState[name].final else "no", text)
                    for name, text in states.items()
                ],
            ),
            table(
                ("code", "state", "sentence"),
                [(f"`{code}`", state.value, text) for code, (state, text) in DELIVERY_REASONS.items()],
            ),
        ]
    )


def _members(texts: dict[str, str], enum: type[MessageOutcome]) -> list[tuple[str, str]]:
    return [(f"`{enum[name].value}`", text) for name, text in texts.items()]
