"""A clinic that sends in every way while something is wrong, and remembers what was acknowledged."""

from __future__ import annotations

import random
import socket
from typing import Any

import httpx

from hie.simulation import messages
from hie.simulation.people import someone
from hie.simulation.wire import field, framed
from tests.node import Site

LONG = 90
"""Seconds to wait for what takes one or two on a machine that is not busy."""
CHANCE = random.Random(3)


class Clinic:
    """Sends over MLLP, in original and in enhanced mode, and by HTTP; remembers what was acknowledged."""

    def __init__(self, here: Site) -> None:
        self.here = here
        self.acknowledged: set[str] = set()
        self.number = 0

    def message(self, enhanced: bool = True) -> tuple[str, bytes]:
        self.number += 1
        control_id, mrn = f"D{self.number}", f"{CHANCE.randrange(10**8)}"
        raw = messages.admission(someone(CHANCE), mrn, "NORTH", "NORTHEHR", "NORTH", "A04", control_id, f"V{mrn}")
        head, _, rest = raw.partition(b"\r")
        fields = [*head.split(b"|"), *[b""] * 16][:18]
        fields[14:16] = [b"AL", b"NE"] if enhanced else [b"", b""]
        return control_id, b"|".join(fields) + b"\r" + rest

    def mllp(self, enhanced: bool = True) -> tuple[str, str]:
        """The acknowledgement code and the condition of its ERR segment."""
        control_id, raw = self.message(enhanced)
        with socket.create_connection(("127.0.0.1", self.here.north), 30) as line:
            line.sendall(framed(raw))
            answer = b""
            while not answer.endswith(b"\x1c\r"):
                part = line.recv(65536)
                assert part, "every complete frame has an answer"
                answer += part
        code = field(answer[1:], b"MSA", 1).decode()
        if code in ("AA", "CA"):
            self.acknowledged.add(control_id)
        return code, field(answer, b"ERR", 3).decode().partition("^")[0]

    def http(self) -> int:
        control_id, raw = self.message()
        answer = self.here.post("reports", raw, "application/hl7-v2")
        if answer.status_code == 202:
            self.acknowledged.add(control_id)
        return answer.status_code

    def ready(self) -> tuple[bool, dict[str, str]]:
        try:
            with self.here.web("admin") as client:
                answer = client.get("/health/ready")
        except httpx.HTTPError:
            return False, {}
        body: dict[str, Any] = answer.json()
        assert answer.status_code == (200 if body.get("ready") else 503)
        return bool(body.get("ready")), body.get("reasons", {})

    def refused(self, reason: str = "") -> None:
        """Both modes, HTTP, and readiness with its reason (none where nobody can be told who asks)."""
        assert self.mllp(enhanced=False) == ("AE", "207")
        assert self.mllp(enhanced=True) == ("CE", "207")
        assert self.http() in (503, 507)
        ready, why = self.ready()
        assert not ready
        assert not reason or reason in why, why

    def recovered(self) -> None:
        """Taken again, ready again, and everything that ever was acknowledged is stored, decided and delivered."""
        here = self.here
        here.until(lambda: self.mllp()[0] == "CA", "messages are taken again", LONG)
        here.until(lambda: self.http() == 202, "by HTTP too", LONG)
        here.until(lambda: self.ready()[0], f"ready again: {self.ready()}", LONG)
        here.settled(LONG)
        assert self.acknowledged <= {control_id for _, control_id, _, _ in here.journal()}
        outcomes = dict(here.rows("SELECT control_id, outcome FROM message"))
        assert {outcomes[control_id] for control_id in self.acknowledged} == {"routed"}
        here.until(lambda: self.acknowledged <= {m for m, _ in here.mllp.seen}, "delivered", LONG)
