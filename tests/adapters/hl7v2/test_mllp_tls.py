"""TLS on the listener and towards subscribers: who is let in, and files that change under a running node."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from adapters.hl7v2.framing import frame
from adapters.hl7v2.mllp_sink import MllpDestination
from adapters.hl7v2.mllp_tls import names
from adapters.hl7v2.settings import MllpClientTls, MllpServerTls, MllpSink
from hie.errors import ConfigurationError, TemporaryFailure
from tests.adapters.hl7v2.mllp_authority import Authority
from tests.adapters.hl7v2.mllp_bench import Bench, Sender, Tally, message, with_listener

TLS = ("hie_connections_closed_total", "tls")


def listener_tls(authority: Authority, **settings: Any) -> MllpServerTls:
    certificate, key = authority.issue("localhost", ip="127.0.0.1")
    return MllpServerTls(certificate=certificate, key=key, client_ca=authority.path, **settings)


async def knock(bench: Bench, context: ssl.SSLContext) -> Sender:
    return await bench.dial(ssl=context, server_hostname="localhost")


async def heard(bench: Bench, context: ssl.SSLContext, control: str = "C1") -> list[str]:
    """What a sender with this context hears; nothing where the handshake fails."""
    try:
        sender = await knock(bench, context)
        await sender.say(frame(message(control)))
        return await sender.codes(1, 5)
    except (OSError, ssl.SSLError):
        return []


def serial(sender: Sender) -> bytes:
    shown: bytes = sender.writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    return shown


@pytest.mark.invariant(10)
def test_mutual_tls(tmp_path: Path) -> None:
    """The named client is served under its name; every other way in is refused, and the listener goes on."""
    trusted, strange = Authority(tmp_path, "trusted"), Authority(tmp_path, "strange")

    async def body(bench: Bench) -> None:
        bad = {
            "no certificate": trusted.client(),
            "wrong authority": trusted.client(strange.issue("clinic-a")),
            "expired": trusted.client(trusted.issue("clinic-a", days=-1)),
            "other name": trusted.client(trusted.issue("clinic-b")),
        }
        for name, context in bad.items():
            assert await heard(bench, context) == [], name
        plain = await bench.dial()
        with contextlib.suppress(ConnectionError):
            await plain.say(frame(message()))
        assert await plain.codes(1, 0.3) == []
        silent = await bench.dial()
        sender = await knock(bench, trusted.client(trusted.issue("clinic-a")))
        await sender.say(frame(message("A")) + frame(message("B")))
        assert await sender.codes(2) == ["AA:A", "AA:B"]
        assert [arrival.source for arrival in bench.store.kept] == ["clinic-a", "clinic-a"]
        assert await silent.closed(5), "a handshake that does not come is ended"
        assert bench.tally.counts[TLS] == 6

    with_listener(body, tls=listener_tls(trusted, names=("Clinic-A",), handshake_seconds=1))


@pytest.mark.parametrize(
    ("shown", "kinds", "found"),
    [
        ({"dns": True}, ("dns", "cn"), {"clinic-a"}),
        ({"dns": True, "uri": "urn:clinic:A"}, ("uri",), {"urn:clinic:a"}),
        ({"dns": False, "ip": "10.1.2.3"}, ("ip", "cn"), {"10.1.2.3"}),
        ({"dns": False}, ("dns", "cn"), {"clinic-a"}),
        ({"dns": False, "uri": "urn:x"}, ("dns", "cn"), set()),
        ({"dns": False, "uri": "urn:x"}, ("cn",), {"clinic-a"}),
        ({"dns": True}, ("uri",), set()),
    ],
)
def test_where_a_name_may_stand(tmp_path: Path, shown: dict[str, Any], kinds: tuple[str, ...], found: set[str]) -> None:
    authority = Authority(tmp_path, "ca")

    async def body(bench: Bench) -> dict[str, Any]:
        held: dict[str, Any] = {}
        seen = bench.listener.accept

        async def accept(arrival):  # type: ignore[no-untyped-def]
            held.update(bench.listener.connections[0]._transport.get_extra_info("peercert"))  # type: ignore[union-attr]
            return await seen(arrival)

        bench.listener.accept = accept
        assert await heard(bench, authority.client(authority.issue("clinic-a", **shown))) == ["AA:C1"]
        return held

    assert names(with_listener(body, tls=listener_tls(authority)), kinds) == found


def test_names_without_authorities_are_a_contradiction() -> None:
    with pytest.raises(ValidationError, match="client_ca"):
        MllpServerTls(certificate=Path("a"), key=Path("b"), names=("clinic-a",))
    with pytest.raises(ValidationError, match="together"):
        MllpClientTls(certificate=Path("a"))


def test_stalled_handshakes_stall_nobody_and_give_way(tmp_path: Path) -> None:
    """More of them than the cap allows: each new sender takes the place of one, none waits for the time-out."""
    authority = Authority(tmp_path, "ca")

    async def body(bench: Bench) -> None:
        stalled = [await bench.dial() for _ in range(30)]
        context = authority.client(authority.issue("clinic-a"))
        for n in range(5):
            assert await heard(bench, context, f"G{n}") == [f"AA:G{n}"]
        assert len(bench.listener.connections) <= 10
        assert await stalled[0].closed()

    with_listener(body, tls=listener_tls(authority, handshake_seconds=60), max_connections=10)


def test_renewed_files_serve_the_next_connection_and_leave_the_open_ones(tmp_path: Path) -> None:
    authority = Authority(tmp_path, "ca")
    tls = listener_tls(authority)

    async def body(bench: Bench) -> None:
        context = authority.client(authority.issue("clinic-a"))
        before = await knock(bench, context)
        certificate, key = authority.issue("localhost")  # over the files in use
        assert (certificate, key) == (tls.certificate, tls.key)
        after = await knock(bench, context)
        assert serial(before) != serial(after)
        for control, sender in (("B", before), ("A", after)):
            await sender.say(frame(message(control)))
            assert await sender.codes() == [f"AA:{control}"]
        assert bench.tally.counts[("hie_certificate_loads_total", "loaded", "feed north")] == 2

    with_listener(body, tls=tls)


def test_another_authority_is_taken_and_the_old_one_refused(tmp_path: Path) -> None:
    old, new = Authority(tmp_path, "old"), Authority(tmp_path, "new")
    tls = listener_tls(old)

    async def body(bench: Bench) -> None:
        assert await heard(bench, old.client(old.issue("a"))) == ["AA:C1"]
        old.path.write_bytes(new.path.read_bytes())
        mixed = ssl.create_default_context()
        mixed.load_verify_locations(cadata=new.path.read_text())
        mixed.check_hostname, mixed.verify_mode = False, ssl.CERT_NONE
        mixed.load_cert_chain(*new.issue("a"))
        assert await heard(bench, mixed) == ["AA:C1"]
        mixed.load_cert_chain(*old.issue("a"))
        assert await heard(bench, mixed) == []

    with_listener(body, tls=tls)


def test_a_broken_new_file_keeps_the_last_good_one(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    authority = Authority(tmp_path, "ca")
    tls = listener_tls(authority)

    async def body(bench: Bench) -> None:
        context = authority.client(authority.issue("clinic-a"))
        for broken in (b"-----BEGIN CERTIFICATE-----\nhalf", b"", None):
            if broken is None:
                tls.certificate.unlink()
            else:
                tls.certificate.write_bytes(broken)
            assert await heard(bench, context) == ["AA:C1"]
            assert await heard(bench, context) == ["AA:C1"], "and it is logged once"
        authority.issue("localhost")
        tls.key.write_bytes(authority.issue("other")[1].read_bytes())  # the key of another certificate
        assert await heard(bench, context) == ["AA:C1"]
        refused = [record for record in caplog.records if record.message == "tls files cannot be used"]
        assert len(refused) == 4
        assert bench.tally.counts[("hie_certificate_loads_total", "refused", "feed north")] == 4
        authority.issue("localhost")
        assert serial(await knock(bench, context)), "and the next good files are taken"
        assert bench.tally.counts[("hie_certificate_loads_total", "loaded", "feed north")] == 2

    with_listener(body, tls=tls)


def test_files_that_cannot_be_read_at_the_start_cost_that_feed_alone(tmp_path: Path) -> None:
    async def body(bench: Bench) -> None:
        raise AssertionError("it must not start")

    tls = MllpServerTls(certificate=tmp_path / "no", key=tmp_path / "no")
    with pytest.raises(ConfigurationError) as failed:
        with_listener(body, tls=tls)
    assert failed.value.code == "tls-files"


# -- towards a subscriber


async def take_one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, ssl.SSLError):
        while True:
            control = (await reader.readuntil(b"\x1c\r")).split(b"|")[9]
            writer.write(frame(b"MSH|^~\\&|S|S|H|H|2026||ACK|K1|P|2.5\rMSA|AA|" + control + b"\r"))


def test_a_sink_shows_the_renewed_client_certificate(tmp_path: Path) -> None:
    """Files renewed while the line is open, then broken: what was good stays good."""
    authority = Authority(tmp_path, "ca")
    shown: list[Any] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        shown.append(writer.get_extra_info("peercert")["serialNumber"])
        await take_one(reader, writer)
        writer.close()

    async def body() -> None:
        context = authority.server(authority.issue("localhost"))
        server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
        certificate, key = authority.issue("hie")
        tls = MllpClientTls(ca=authority.path, certificate=certificate, key=key, server_name="localhost")
        port = server.sockets[0].getsockname()[1]
        sink = MllpDestination(MllpSink(host="127.0.0.1", port=port, tls=tls), Tally())
        for change in (None, lambda: authority.issue("hie"), lambda: certificate.write_bytes(b"half")):
            if change:
                change()
            assert await sink.send(message("A"), "A") == "AA"
            assert await sink.send(message("B"), "B") == "AA"
            await sink.close()
        server.close()

    asyncio.run(body())
    assert len(shown) == 3
    assert shown[0] != shown[1] == shown[2]


def test_a_sink_without_its_files_sends_nothing_and_tries_again(tmp_path: Path) -> None:
    tls = MllpClientTls(ca=tmp_path / "none.pem")
    sink = MllpDestination(MllpSink(host="127.0.0.1", port=1, tls=tls), Tally())
    with pytest.raises(TemporaryFailure) as failed:
        asyncio.run(sink.send(message(), "C1"))
    assert failed.value.code == "tls-files"
