"""What sources get as `accept`: the way into the journal, with what all of them share."""

from __future__ import annotations

from collections.abc import Awaitable

from hie.intake.budget import Budget
from hie.intake.reading import Reading
from hie.model import Arrival, Receipt
from hie.ports import Accept, Verdict


class Entrance:
    """Implements hie.ports.Entrance. `reading` None: there is nobody to ask."""

    def __init__(self, accept: Accept, budget: Budget, reading: Reading | None) -> None:
        self._accept = accept
        self.budget = budget
        self.verdict: Verdict | None = reading.ask if reading is not None else None

    def __call__(self, arrival: Arrival) -> Awaitable[Receipt]:
        return self._accept(arrival)
