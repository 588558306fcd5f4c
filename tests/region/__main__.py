"""A region for some minutes under random kills, and its ledger. Needs PostgreSQL and RabbitMQ on this machine.

make region ARGS="--minutes 10"
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import tempfile
import time
from pathlib import Path

from tests.databases import POSTGRESQL, database
from tests.region import broker, ledger
from tests.region.configuration import Places
from tests.region.senders import Senders
from tests.region.world import World


async def run(places: Places, minutes: float, seed: int, pace: float, calm: bool) -> int:
    places.write()
    os.environ.setdefault("HIE_REGION_BROKER", "guest")
    world, senders = World(places, seed), Senders(places, seed, pace)
    await world.start()
    print(
        f"region runs: 6 feeds, 10 subscribers, {places.engines} engines, seed {seed}, {minutes:g} minutes", flush=True
    )
    stop = asyncio.Event()
    sending = asyncio.create_task(senders.run())
    hurting = asyncio.create_task(asyncio.sleep(0) if calm else world.hurt_until(stop, 4, 14))
    ended = time.monotonic() + minutes * 60
    while time.monotonic() < ended and not sending.done():
        await asyncio.sleep(0.5)
    stop.set()
    await hurting
    senders.enough.set()
    await sending
    started = time.monotonic()
    # what was given out at the very end is on its way: folders and queues are asked by polling
    while time.monotonic() - started < 240:
        await asyncio.sleep(2)
        if not list(places.archive.glob("*.hl7")) and not await asyncio.to_thread(ledger.unfinished, places.database):
            break
    await asyncio.sleep(3)
    print(f"drained {time.monotonic() - started:.1f} s after the last message", flush=True)
    found = ledger.drawn(world, senders)
    print(ledger.table(found))
    code = await world.stop()
    return 1 if found["violations"] or code else 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--engines", type=int, default=2)
    parser.add_argument("--pace", type=float, default=1.2, help="seconds between two messages of a connection")
    parser.add_argument("--calm", action="store_true", help="kill nothing")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="hie-region-") as folder, database(POSTGRESQL) as found:
        places = Places.choose(Path(folder), f"{os.getpid()}", found.setting, arguments.engines)
        try:
            return asyncio.run(run(places, arguments.minutes, arguments.seed, arguments.pace, arguments.calm))
        finally:
            log = Path(folder) / "node.log"
            if log.exists():
                Path("var").mkdir(exist_ok=True)
                Path("var/region.log").write_bytes(log.read_bytes())
            broker.delete([places.queue(name) for name in ("in", "bus", "registry")])


if __name__ == "__main__":
    sys.exit(main())
