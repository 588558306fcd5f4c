"""Senders in processes of their own, so that what one costs is not felt by the clock of another.

`python -m tests.faults.table_load good|frames|idle|segments PORT SECONDS`; `good` prints its latencies as JSON.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time

from adapters.hl7v2.framing import frame
from tests.adapters.hl7v2.mllp_bench import BODY, Sender, message

CONNECTIONS = 4
REST = 0.02
FRAME_BYTES = 16 * 1024 * 1024 - 1024
SEGMENTS = 20_000
BETWEEN = 1.0
"""Seconds between two large messages."""


async def dial(port: int, address: str = "127.0.0.1") -> Sender:
    return Sender(*await asyncio.open_connection("127.0.0.1", port, local_addr=(address, 0)))


async def good(port: int, seconds: float) -> list[float]:
    """Acknowledgement times, in seconds, of clinics that send at an even pace. Raises AssertionError on any other answer."""
    run = f"{time.time_ns():x}"
    until = time.monotonic() + seconds

    async def clinic(number: int) -> list[float]:
        sender, taken = await dial(port), []
        while time.monotonic() < until:
            control = f"{run}-{number}-{len(taken)}"
            sent = frame(message(control, body=BODY.replace(b"77^", b"7%d^" % number)))
            began = time.perf_counter()
            await sender.say(sent)
            assert await sender.codes(1, 60) == [f"AA:{control}"]
            taken.append(time.perf_counter() - began)
            await asyncio.sleep(REST)
        return taken

    return [one for taken in await asyncio.gather(*(clinic(n) for n in range(CONNECTIONS))) for one in taken]


async def large(port: int, seconds: float, body: bytes) -> int:
    """Large messages one after the other; how many were acknowledged. Marked as tests, so that no subscriber is sent them:
    the sinks of the tests would be the first to suffer."""
    run = f"{time.time_ns():x}"
    sender, count = await dial(port), 0
    print("begun", flush=True)
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        sent = frame(message(f"{run}-{count}", body=body).replace(b"|P|2.5.1", b"|T|2.5.1"))
        await sender.say(sent)
        assert await sender.codes(1, 60) == [f"AA:{run}-{count}"]
        count += 1
        await asyncio.sleep(BETWEEN)
    return count


async def idle(port: int, seconds: float, count: int = 300) -> int:
    """Connections that say nothing, from three addresses, so that no cap thins them out."""
    senders = [await dial(port, f"127.0.0.{1 + n % 4}") for n in range(count)]
    print("begun", flush=True)
    await asyncio.sleep(seconds)
    return len([sender for sender in senders if not sender.reader.at_eof()])


async def main(what: str, port: int, seconds: float) -> object:
    if what == "good":
        return await good(port, seconds)
    if what == "idle":
        return await idle(port, seconds)
    if what == "frames":
        return await large(port, seconds, BODY + b"OBX|1|TX|1^note||" + b"x" * FRAME_BYTES + b"\r")
    body = b"".join(b"OBX|%d|NM|718-7^Hb^LN||13.5|g/dL|||||F\r" % n for n in range(SEGMENTS))
    return await large(port, seconds, BODY + body)


if __name__ == "__main__":
    print(json.dumps(asyncio.run(main(sys.argv[1], int(sys.argv[2]), float(sys.argv[3])))))
