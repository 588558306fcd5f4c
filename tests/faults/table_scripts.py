"""Rows of the fault table that need more than bytes and answers: time, many connections, TLS, a disk, a stop.

Each gives the facts that came, in the order in which the row expects them.
"""

from __future__ import annotations

import asyncio
import os
import resource
import signal
import ssl
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TYPE_CHECKING

from adapters.hl7v2.framing import frame
from tests.adapters.hl7v2.mllp_bench import BODY, Sender, message

if TYPE_CHECKING:
    from tests.faults.table_site import TableSite

CLOSED = "hie_connections_closed_total"
QUIRKS = "hie_framing_quirks_total"
Script = Callable[["TableSite"], Awaitable[list[str]]]


async def answered(sender: Sender, control: str, then: str = "") -> str:
    """`AA:CONTROL then`, or what came instead."""
    with suppress(ConnectionError):
        await sender.say(frame(message(control)))
    heard = await sender.codes(1, 30)
    return f"{' '.join(heard) or 'silence'} {then}".strip()


async def counted(site: TableSite, name: str, **labels: str) -> float:
    return await asyncio.to_thread(site.counted, name, **labels)


async def fact(site: TableSite, text: str, holds: Callable[[], object]) -> str:
    return text if await site.later(holds) else f"not: {text}"


async def http_request(site: TableSite) -> list[str]:
    label = {"feed": "quick", "reason": "first-byte-timeout"}
    before = await counted(site, CLOSED, **label)
    stranger, good = await site.dial("quick"), await site.dial()
    await stranger.say(b"GET / HTTP/1.1\r\nHost: here\r\n\r\n")
    meanwhile = await answered(good, "HTTPGOOD", "meanwhile")
    closed = "closed" if await stranger.closed(20) else "open"
    more = await fact(site, "first-byte-timeout counted", lambda: site.counted(CLOSED, **label) > before)
    return [closed, more, meanwhile]


async def refused_without_end(site: TableSite) -> list[str]:
    sender = await site.dial()
    answers = 0
    for _ in range(40):
        with suppress(ConnectionError):
            await sender.say(frame(b"nonsense"))
        if await sender.codes(1, 10) != ["AR:"]:
            break
        answers += 1
    return [f"{answers} times AR", "closed" if await sender.closed(10) else "open"]


async def never_ended(site: TableSite) -> list[str]:
    label = {"feed": "north", "quirk": "truncated"}
    fragments, before = await asyncio.to_thread(site.fragments), await counted(site, QUIRKS, **label)
    sender = await site.dial()
    await sender.say(b"\x0b" + message("ENDLESS"))
    sender.writer.write_eof()
    heard = await sender.codes(1, 1)
    return [
        " ".join(heard) or "no answer",
        await fact(site, "quarantined fragment", lambda: site.fragments() == fragments + 1),
        await fact(site, "truncated counted", lambda: site.counted(QUIRKS, **label) == before + 1),
    ]


async def next_start(site: TableSite) -> list[str]:
    from tests.faults.table_site import talk

    fragments = await asyncio.to_thread(site.fragments)
    found = await talk(site, [b"\x0b" + message("NEXT1") + frame(message("NEXT2"))], 1, "north", ["NEXT2"])
    return [*found, await fact(site, "quarantined fragment", lambda: site.fragments() == fragments + 1)]


def latin(raw: bytes) -> Script:
    """The subscriber `emergency` takes the original bytes."""

    async def script(site: TableSite) -> list[str]:
        sender = await site.dial()
        await sender.say(frame(raw))
        heard = await sender.codes(1, 30)
        person = next(part for part in raw.split(b"\r") if part.startswith(b"PID"))
        whole = await fact(
            site,
            "the subscriber has the letters as sent",
            lambda: any(person in sent for sent in site.mllp.of("LATIN")),
        )
        return [*heard, whole]

    return script


async def repeated(site: TableSite) -> list[str]:
    sender = await site.dial()
    first, again = [await answered(sender, "DUP1") for _ in range(2)]
    await site.later(lambda: len(site.became("DUP1")) == 2)
    became = await asyncio.to_thread(site.became, "DUP1")
    await site.later(lambda: site.mllp.of("DUP1"))
    await asyncio.sleep(0.5)
    times = {1: "delivered once"}.get(len(site.mllp.of("DUP1")), f"delivered {len(site.mllp.of('DUP1'))} times")
    return [first, again, f"{became.count('routed')} routed", f"{became.count('duplicate')} duplicate", times]


async def same_id(site: TableSite) -> list[str]:
    sender = await site.dial()
    await sender.say(frame(message("DUP2")) + frame(message("DUP2", body=BODY + b"NTE|1||other\r")))
    heard = await sender.codes(2, 30)
    await site.later(lambda: len(site.became("DUP2")) == 2)
    became = await asyncio.to_thread(site.became, "DUP2")
    flags = site.rows("SELECT flags FROM message WHERE control_id = ? ORDER BY id", "DUP2")[-1][0]
    flagged = "flagged same-id-other-bytes" if "same-id-other-bytes" in flags else f"flags: {flags}"
    return [*heard, f"{became.count('routed')} routed", f"{became.count('duplicate')} duplicate", flagged]


async def slowloris(site: TableSite) -> list[str]:
    before = {r: await counted(site, CLOSED, feed="quick", reason=r) for r in SLOW}
    silent, half, drip, idle, good = [await site.dial("quick") for _ in range(4)] + [await site.dial()]
    await half.say(b"\x0bMSH|half")
    await answered(idle, "SLOWIDLE")

    async def drips() -> None:
        with suppress(ConnectionError):
            for byte in b"\x0b" + message("DRIP"):
                await drip.say(bytes([byte]))
                await asyncio.sleep(0.1)

    dripping = asyncio.create_task(drips())
    meanwhile = await answered(good, "SLOWGOOD", "meanwhile")
    for sender in (silent, half, drip, idle):
        await sender.closed(20)
    dripping.cancel()
    facts = []
    for reason in SLOW:
        now = await counted(site, CLOSED, feed="quick", reason=reason)
        facts.append(reason if now == before[reason] + 1 else f"{reason} {now - before[reason]:+g}")
    return [*facts, meanwhile]


SLOW = ("first-byte-timeout", "inter-byte-timeout", "frame-timeout", "idle-timeout")


def accepted(site: TableSite, sender: Sender) -> list[list[str]]:
    """What the kernel's table says of the node's end of a connection to `north`."""
    mine = sender.writer.get_extra_info("sockname")[1]
    with open("/proc/net/tcp") as table:
        rows = [line.split() for line in table.readlines()[1:]]
    ports = [[int(place.split(":")[1], 16) for place in row[1:3]] for row in rows]
    return [row for row, port in zip(rows, ports, strict=True) if port == [site.north, mine]]


async def read_by_node(site: TableSite, sender: Sender) -> None:
    """A reset takes with it what the other side has not read yet."""
    await site.later(lambda: [row[4].split(":")[1] for row in accepted(site, sender)] == ["00000000"])


async def half_open(site: TableSite) -> list[str]:
    """The kernel's own word: timer 2 of /proc/net/tcp is the keep-alive of the accepted socket."""
    sender = await site.dial()
    await answered(sender, "HALFOPEN")
    await asyncio.sleep(0.5)
    timers = [row[5].split(":")[0] for row in accepted(site, sender)]
    return ["TCP keep-alive runs" if timers == ["02"] else f"timers {timers}"]


async def replaced(site: TableSite) -> list[str]:
    earlier = await site.dial("lenient")
    await answered(earlier, "REPLACE0")
    later = await site.dial("lenient")
    closed = "the earlier one closed" if await earlier.closed(10) else "the earlier one open"
    return [closed, await answered(later, "REPLACE", "on the new one")]


async def reset_in_frame(site: TableSite) -> list[str]:
    fragments = await asyncio.to_thread(site.fragments)
    sender = await site.dial()
    await sender.say(b"\x0b" + message("RESET")[:60])
    await read_by_node(site, sender)
    sender.reset()
    kept = await fact(site, "quarantined fragment", lambda: site.fragments() == fragments + 1)
    heard = await answered(await site.dial(), "RESET")
    return [kept, heard, f"RESET {' '.join(await asyncio.to_thread(site.became, 'RESET'))}"]


async def reset_before_ack(site: TableSite) -> list[str]:
    sender = await site.dial()
    await sender.say(frame(message("RESEND")))
    await read_by_node(site, sender)
    sender.reset()
    await asyncio.to_thread(site.became, "RESEND")
    heard = await answered(await site.dial(), "RESEND")
    await site.later(lambda: len(site.became("RESEND")) == 2)
    became = await asyncio.to_thread(site.became, "RESEND")
    return [heard, f"{became.count('routed')} routed", f"{became.count('duplicate')} duplicate"]


def idle_connections(count: int, addresses: int) -> Script:
    async def script(site: TableSite) -> list[str]:
        label = {"feed": "north", "reason": "evicted"}
        before = await counted(site, CLOSED, **label)
        earlier = await site.dial()
        await answered(earlier, f"BEFORE{count}")
        silent = []
        for n in range(count):
            with suppress(ConnectionError):
                silent.append(await site.dial("north", f"127.0.0.{1 + n % addresses}"))
        new = await answered(await site.dial(), f"IDLE{count}", "on a new one")
        old = await answered(earlier, f"IDLE{count}B", "on an earlier one")
        more = await fact(site, "evicted counted", lambda: site.counted(CLOSED, **label) > before)
        for sender in silent:
            sender.reset()
        return [new, old, more]

    return script


def tls(control: str, kind: str) -> Script:
    async def script(site: TableSite) -> list[str]:
        label = {"feed": "sealed", "reason": "tls"}
        before = await counted(site, CLOSED, **label)
        own = {
            "none": None,
            "stranger": site.stranger.issue("clinic-a"),
            "expired": site.trusted.issue("clinic-a", days=-1, file="expired"),
            "other": site.trusted.issue("clinic-b"),
        }
        ended = "closed"
        with suppress(OSError, ssl.SSLError):
            if kind == "plain":
                bad = await site.dial("sealed")
            else:
                bad = await site.dial("sealed", ssl=site.trusted.client(own[kind]), server_hostname="localhost")
            await bad.say(frame(message(f"{control}BAD")))
            heard = await bad.codes(1, 5)
            ended = " ".join(heard) or ("closed" if await bad.closed(10) else "open")
        counts = await fact(site, "tls counted", lambda: site.counted(CLOSED, **label) == before + 1)
        return [ended, counts, await answered(await site.knock(), control, "by a good sender")]

    return script


async def tls_stalled(site: TableSite) -> list[str]:
    stalled = [await site.dial("sealed") for _ in range(50)]
    good = await answered(await site.knock(), "TLSSTALL", "by a good sender")
    ended = [await sender.closed(20) for sender in stalled]
    return [good, "all closed" if all(ended) else f"{ended.count(False)} open"]


async def tls_renewed(site: TableSite) -> list[str]:
    def shown(sender: Sender) -> bytes:
        found: bytes = sender.writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
        return found

    earlier = await site.knock()
    certificate, _ = site.trusted.issue("localhost")
    new = await site.knock()
    under = "under the new certificate" if shown(new) != shown(earlier) else "under the old certificate"
    facts = [await answered(new, "RENEW1", under), await answered(earlier, "RENEW0", "on the earlier connection")]
    certificate.write_bytes(b"half a file")
    facts.append(await answered(await site.knock(), "RENEW2", "while the files are broken"))
    site.trusted.issue("localhost")
    return facts


async def journal_down(site: TableSite) -> list[str]:
    """Intake and web may not write beyond 1,024 bytes of any file, as on a disk that fails."""
    from tests.faults.table_site import told

    def ready() -> bool:
        with site.web("admin") as client:
            return client.get("/health/ready").status_code == 200

    def limit(size: int) -> None:
        for name in ("intake", "web"):
            resource.prlimit(site.pid(name), resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))

    sender = await site.dial()
    limit(1024)
    try:
        await sender.say(frame(message("DOWN1")) + frame(message("DOWN2", tail="|||AL|NE")))
        facts = [told(payload) for payload in await sender.hear(2, 30)]
        facts.append(await fact(site, "not ready", lambda: not ready()))
    finally:
        limit(resource.RLIM_INFINITY)
    facts.append(await answered(sender, "DOWN1", "after it recovered"))
    facts.append(await fact(site, "ready", ready))
    return [*facts, f"DOWN1 {' '.join(await asyncio.to_thread(site.became, 'DOWN1'))}"]


async def shutdown(site: TableSite) -> list[str]:
    sender = await site.dial()
    whole = frame(message("STOP1"))
    await sender.say(whole[:40])
    await asyncio.sleep(0.2)
    os.kill(site.pid("parent"), signal.SIGTERM)
    refused = "a new connection is accepted"
    for _ in range(100):
        await asyncio.sleep(0.05)
        try:
            (await site.dial()).reset()
        except ConnectionError:
            refused = "a new connection is refused"
            break
    await sender.say(whole[40:])
    heard = await sender.codes(1, 20)
    closed = "closed" if await sender.closed(20) else "open"
    code = await asyncio.to_thread(site.node.stop)
    await asyncio.to_thread(site.start)
    became = await asyncio.to_thread(site.became, "STOP1")
    return [*heard, closed, refused, f"exit {code}", f"STOP1 {' '.join(became)} after the next start"]
