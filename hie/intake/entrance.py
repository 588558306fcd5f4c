"""What sources get as `accept`: the way into the journal, with what all of them share."""

from __future__ import annotations

from collections.abc import Awaitable

from hie.intake.budget import Budget
from hie.intake.reading import Reading
from hie.model import Acknowledgement, Arrival, Receipt
from hie.ports import Accept


class Entrance:
    """Implements hie.ports.Entrance."""

    def __init__(self, accept: Accept, budget: Budget, reading: Reading) -> None:
        self._accept = accept
        self.budget = budget
        self._reading = reading

    def __call__(self, arrival: Arrival) -> Awaitable[Receipt]:
        return self._accept(arrival)

    def verdict(self, arrival: Arrival) -> Awaitable[Acknowledgement]:
        return self._reading.ask(arrival)
