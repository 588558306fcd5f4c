"""The fault table: what senders do wrong, and the right answer to each, taken from the standard and from what is known to
lose messages elsewhere. `make faults` runs it against a node and writes the report.

A row is data: who sends what to which feed, and what must come back. What a row cannot say in data is a script of its own
in tests.faults.table_scripts. Facts that are compared, in this order: the answers (`AA:C1`, a condition of table 0357
behind a refusal), `open` or `closed`, then what became of each message (`C1 routed`).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from adapters.hl7v2.framing import frame
from tests.adapters.hl7v2.mllp_bench import BODY, message
from tests.faults import table_scripts as scripts
from tests.faults.table_site import TableSite, talk

Script = Callable[[TableSite], Awaitable[list[str]]]


@dataclass(frozen=True)
class Row:
    """One fault. `name` is unique and names the control ids of its messages."""

    name: str
    sent: str
    expected: tuple[str, ...]
    script: Script


def wire(
    name: str,
    sent: str,
    data: bytes | list[bytes],
    expected: list[str],
    *,
    feed: str = "north",
    outcomes: list[str] | None = None,
    ends: str = "open",
) -> Row:
    """A row in which one connection sends `data` and hears `expected`."""
    chunks = [data] if isinstance(data, bytes) else data
    kept = outcomes or []

    async def script(site: TableSite) -> list[str]:
        return await talk(site, chunks, len(expected), feed, [fact.split()[0] for fact in kept])

    return Row(name, sent, (*expected, ends, *kept), script)


def good(control: str, **options: str | bytes) -> bytes:
    return frame(message(control, **options))  # type: ignore[arg-type]


LATIN = message("LATIN", tail="||||||8859/1").replace(b"JANE", "JÉNÉ".encode("latin-1"))
MANY = BODY + b"".join(b"OBX|%d|NM|718-7^Hb^LN||13.5|g/dL|||||F\r" % n for n in range(20_000))
BATCH = b"FHS|^~\\&|A|B|C|D\rBHS|^~\\&|A|B|C|D|2026||N|T|B9\r" + message("BA1") + message("BA2") + b"BTS|2\rFTS|1\r"
FOREIGN = message("OTHER").replace(b"|", b"#").replace(b"^~\\&", b"@*%$").replace(b"^", b"@")

ROWS = [
    wire(
        "two frames in one segment",
        "two frames in one write",
        good("TWO1") + good("TWO2"),
        ["AA:TWO1", "AA:TWO2"],
        outcomes=["TWO1 routed", "TWO2 routed"],
    ),
    wire(
        "byte by byte",
        "a frame in single bytes",
        [bytes([byte]) for byte in good("BYTE")],
        ["AA:BYTE"],
        outcomes=["BYTE routed"],
    ),
    wire(
        "FS and CR split",
        "FS in one write, CR in the next",
        [good("SPLIT")[:-1], b"\r"],
        ["AA:SPLIT"],
        outcomes=["SPLIT routed"],
    ),
    wire(
        "junk between frames",
        "CR LF NUL and text between two frames",
        good("JUNK1") + b"\r\n\x00 text \r\n" + good("JUNK2"),
        ["AA:JUNK1", "AA:JUNK2"],
        outcomes=["JUNK1 routed", "JUNK2 routed"],
    ),
    wire("junk without end", "70,000 bytes outside a frame", b"x" * 70_000, [], ends="closed"),
    Row(
        "HTTP request",
        "GET / HTTP/1.1, then silence",
        ("closed", "first-byte-timeout counted", "AA:HTTPGOOD meanwhile"),
        scripts.http_request,
    ),
    wire(
        "no VT",
        "a message without VT, then a good one",
        message("NOVT") + b"\x1c\r" + good("NOVT2"),
        ["AA:NOVT2"],
        outcomes=["NOVT2 routed"],
    ),
    wire(
        "no VT, opted in",
        "the same to a feed with no_start: accept",
        message("NOVT3") + b"\x1c\r",
        ["AA:NOVT3"],
        feed="lenient",
        outcomes=["NOVT3 routed"],
    ),
    Row(
        "frame never ended, sender closes",
        "VT and a message, then the end of the connection",
        ("no answer", "quarantined fragment", "truncated counted"),
        scripts.never_ended,
    ),
    Row(
        "frame not ended, next VT",
        "VT and a message, then a whole frame",
        ("AA:NEXT2", "open", "NEXT2 routed", "quarantined fragment"),
        scripts.next_start,
    ),
    wire(
        "FS without CR, next VT",
        "two frames, the first without its CR",
        good("NOCR1")[:-1] + good("NOCR2"),
        ["AA:NOCR1", "AA:NOCR2"],
        outcomes=["NOCR1 routed", "NOCR2 routed"],
    ),
    wire("FS without CR, pause", "a frame without its CR", good("PAUSE")[:-1], ["AA:PAUSE"], outcomes=["PAUSE routed"]),
    wire("FS LF", "a frame that ends FS LF", good("FSLF")[:-1] + b"\n", ["AA:FSLF"], outcomes=["FSLF routed"]),
    wire(
        "two MSH in one frame",
        "two messages in one frame",
        frame(message("MSH1") + message("MSH2")),
        ["AA:MSH1", "AA:MSH2"],
        outcomes=["MSH1 routed", "MSH2 routed"],
    ),
    wire(
        "FHS/BHS batch",
        "a batch of two messages",
        frame(BATCH),
        ["BHS AA:BA1 AA:BA2 BTS 2"],
        outcomes=["BA1 routed", "BA2 routed"],
    ),
    wire(
        "segments by LF",
        "LF between segments",
        frame(message("LF").replace(b"\r", b"\n")),
        ["AA:LF"],
        outcomes=["LF routed"],
    ),
    wire(
        "segments by CRLF",
        "CR LF between segments",
        frame(message("CRLF").replace(b"\r", b"\r\n")),
        ["AA:CRLF"],
        outcomes=["CRLF routed"],
    ),
    wire("empty frame", "VT FS CR, then a good frame", frame(b"") + good("EMPTY"), ["AA:EMPTY"]),
    wire("MSH only", "a frame with `MSH|`, then a good one", frame(b"MSH|") + good("ONLY"), ["AR: 101", "AA:ONLY"]),
    wire(
        "no MSH",
        "a frame that begins with PID, then a good one",
        frame(b"PID|1||1\r") + good("NOMSH"),
        ["AR: 100", "AA:NOMSH"],
    ),
    wire(
        "binary",
        "a frame of binary bytes, then a good one",
        frame(bytes(range(0x80, 0x100)) * 8) + good("BIN"),
        ["AR: 100", "AA:BIN"],
    ),
    Row(
        "refused without end",
        "frames that are no HL7, one after the other",
        ("20 times AR", "closed"),
        scripts.refused_without_end,
    ),
    wire("no MSH-10", "a message without control id", frame(message("")), ["AE: 101 MSH^1^10"]),
    wire(
        "NUL in a field",
        "a NUL inside PID-5",
        frame(message("NUL").replace(b"JANE", b"JA\x00NE")),
        ["AA:NUL"],
        outcomes=["NUL routed"],
    ),
    wire(
        "bytes invalid in the charset",
        "a Latin-1 letter, UTF-8 declared",
        frame(message("CSET", tail="||||||UNICODE UTF-8").replace(b"JANE", b"J\xc9NE")),
        ["AA:CSET"],
        outcomes=["CSET routed"],
    ),
    Row(
        "MSH-18 8859/1",
        "a Latin-1 letter, 8859/1 declared",
        ("AA:LATIN", "the subscriber has the letters as sent"),
        scripts.latin(LATIN),
    ),
    wire(
        "MSH-18 unknown",
        "a character set that does not exist",
        good("KLINGON", tail="||||||KLINGON"),
        ["AA:KLINGON"],
        outcomes=["KLINGON routed"],
    ),
    wire(
        "byte order mark",
        "UTF-8 BOM before MSH",
        frame(b"\xef\xbb\xbf" + message("BOM")),
        ["AA:BOM"],
        outcomes=["BOM routed"],
    ),
    Row(
        "same MSH-10, same bytes",
        "one message twice",
        ("AA:DUP1", "AA:DUP1", "1 routed", "1 duplicate", "delivered once"),
        scripts.repeated,
    ),
    Row(
        "same MSH-10, other bytes",
        "one control id, two contents",
        ("AA:DUP2", "AA:DUP2", "2 routed", "0 duplicate", "flagged same-id-other-bytes"),
        scripts.same_id,
    ),
    wire("unknown version", "MSH-12 9.9", good("VER", version="9.9"), ["AR:VER 203"], outcomes=["VER rejected"]),
    wire("unknown type", "MSH-9 ZZZ^Z99", good("TYPE", kind="ZZZ^Z99"), ["AR:TYPE 200"], outcomes=["TYPE rejected"]),
    wire("other delimiters", "# @ * % $ for | ^ ~ \\ &", frame(FOREIGN), ["AA:OTHER"], outcomes=["OTHER routed"]),
    wire(
        "MSA-2 byte for byte",
        "escapes, spaces, a high byte and a trailing ^ in MSH-10",
        frame(message("ODD").replace(b"|ODD|", b"| A\\T\\1\xc9^ |")),
        ["AA: A\\T\\1\xc9^ "],
    ),
    wire("MSH-15 NE", "MSH-15 NE, MSH-16 NE", good("NE", tail="|||NE|NE"), [], outcomes=["NE routed"]),
    wire("MSH-15 AL", "MSH-15 AL, MSH-16 NE", good("AL", tail="|||AL|NE"), ["CA:AL"], outcomes=["AL routed"]),
    wire(
        "MSH-15 AL, MSH-16 AL",
        "both levels asked for",
        good("ALAL", tail="|||AL|AL"),
        ["CA:ALAL", "AA:ALAL"],
        outcomes=["ALAL routed"],
    ),
    wire(
        "MSH-16 AL, not to be read",
        "both levels asked for by a message about nobody",
        good("ALNO", tail="|||AL|AL", body=b"EVN|A08|2026\r"),
        ["CA:ALNO", "AE:ALNO 101"],
        outcomes=["ALNO quarantined"],
    ),
    wire("AA only, opted in", "the same to a feed with acknowledge: original", good("AAONLY", tail="|||AL|AL"), ["AA:AAONLY"], feed="lenient"),
    wire(
        "ack: after-decode",
        "two readable messages to a feed with ack: after-decode, one about nobody between them",
        good("READ1") + good("READ2", body=b"EVN|A08|2026\r") + good("READ3"),
        ["AA:READ1", "AE:READ2 101", "AA:READ3"],
        feed="decoded",
        outcomes=["READ1 routed", "READ2 quarantined", "READ3 routed"],
    ),
    wire("an ACK arrives", "an acknowledgement, then a good message", frame(b"MSH|^~\\&|A|B|C|D|2026||ACK|X1|P|2.5.1\rMSA|AA|Q1\r") + good("AFTERACK"), ["AA:AFTERACK"]),
    wire("20,000 segments", "one message of 0.9 MB in 20,000 segments", frame(message("MANY", body=MANY)), ["AA:MANY"]),
    wire(
        "huge frame",
        "20 MB in one frame",
        b"\x0b" + message("HUGE") + b"OBX|1|TX|" + b"x" * 20_000_000 + b"\x1c\r",
        ["AR:HUGE 207"],
        ends="closed",
    ),
    Row(
        "slowloris",
        "nothing; half a frame; a frame a byte at a time; one message and then silence (limits of 1 to 3 s)",
        ("first-byte-timeout", "inter-byte-timeout", "frame-timeout", "idle-timeout", "AA:SLOWGOOD meanwhile"),
        scripts.slowloris,
    ),
    Row("half-open peer", "an open connection that says nothing", ("TCP keep-alive runs",), scripts.half_open),
    Row(
        "half-open peer replaced",
        "a second connection of the same source to a feed with reconnect: replace",
        ("the earlier one closed", "AA:REPLACE on the new one"),
        scripts.replaced,
    ),
    Row(
        "reset in the frame",
        "half a frame, then RST",
        ("quarantined fragment", "AA:RESET", "RESET routed"),
        scripts.reset_in_frame,
    ),
    Row(
        "reset before the ACK",
        "a frame, then RST; the same again",
        ("AA:RESEND", "1 routed", "1 duplicate"),
        scripts.reset_before_ack,
    ),
    Row(
        "300 idle connections",
        "300 silent connections from one address to a listener that takes 100 of one",
        ("AA:IDLE300 on a new one", "AA:IDLE300B on an earlier one", "evicted counted"),
        scripts.idle_connections(300, 1),
    ),
    Row(
        "1,000 idle connections",
        "1,000 silent connections from 20 addresses",
        ("AA:IDLE1000 on a new one", "AA:IDLE1000B on an earlier one", "evicted counted"),
        scripts.idle_connections(1_000, 20),
    ),
    Row("TLS: plain text", "a frame without TLS", ("closed", "tls counted", "AA:TLSPLAIN by a good sender"), scripts.tls("TLSPLAIN", "plain")),
    Row("TLS: no client certificate", "a handshake without a certificate", ("closed", "tls counted", "AA:TLSNONE by a good sender"), scripts.tls("TLSNONE", "none")),
    Row("TLS: wrong CA", "a certificate of a stranger", ("closed", "tls counted", "AA:TLSCA by a good sender"), scripts.tls("TLSCA", "stranger")),
    Row("TLS: expired", "a certificate that has ended", ("closed", "tls counted", "AA:TLSOLD by a good sender"), scripts.tls("TLSOLD", "expired")),
    Row("TLS: another name", "a good certificate of another clinic", ("closed", "tls counted", "AA:TLSNAME by a good sender"), scripts.tls("TLSNAME", "other")),
    Row("TLS: stalled handshakes", "50 connections that never begin the handshake (limit 2 s)", ("AA:TLSSTALL by a good sender", "all closed"), scripts.tls_stalled),
    Row("TLS: renewed files", "new certificate files, then broken ones", ("AA:RENEW1 under the new certificate", "AA:RENEW0 on the earlier connection", "AA:RENEW2 while the files are broken"), scripts.tls_renewed),
    Row(
        "database down",
        "messages while the journal cannot write; again when it can",
        ("AE:DOWN1 207", "CE:DOWN2 207", "not ready", "AA:DOWN1 after it recovered", "ready", "DOWN1 routed"),
        scripts.journal_down,
    ),
    Row(
        "shutdown",
        "SIGTERM in the middle of a frame",
        ("AA:STOP1", "closed", "a new connection is refused", "exit 0", "STOP1 routed after the next start"),
        scripts.shutdown,
    ),
]  # fmt: skip
