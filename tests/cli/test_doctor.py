"""`hie doctor` against real sockets, files, databases and a node that runs: it finds what is wrong, sends nothing, tells no
secrets."""

from __future__ import annotations

import ast
import os
import re
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson
import pytest
from sqlalchemy import create_engine, text

from hie import registry
from hie.cli import main
from hie.doctor.disk import kind
from hie.doctor.environment import within
from hie.doctor.mounts import mount_of
from hie.store.database import migrate
from tests.adapters.hl7v2.mllp_authority import Authority, Pair
from tests.databases import POSTGRESQL, database
from tests.node import PASSWORD, free_port, site

ROOT = Path(__file__).parents[2]
CONFIG = """\
name: here
database: "{database}"
http: {{port: {http}}}
participants: [{{name: clinic}}, {{name: hospital}}]
feeds:
  - name: adt
    participant: clinic
    source: {{kind: mllp, port: {port}{feed}}}
  - {{name: documents, participant: clinic, format: ccda, source: {{kind: http}}}}
subscribers:
  - name: emr
    participant: hospital
    purpose: TREAT
    encoder: original
    sink: {{kind: mllp, host: 127.0.0.1, port: {sink}, connect_seconds: 3{tls}}}
"""


def doctor(directory: Path, capsys: pytest.CaptureFixture[str], **given: Any) -> dict[str, list[dict[str, str]]]:
    """Code -> findings. What the file does not say is free and well."""
    values = {"database": "", "http": free_port(), "port": free_port(), "feed": "", "sink": 9, "tls": "", **given}
    (directory / "hie.yaml").write_text(CONFIG.format(**values))
    return asked(directory / "hie.yaml", capsys)


def asked(config: Path, capsys: pytest.CaptureFixture[str]) -> dict[str, list[dict[str, str]]]:
    status = main(["doctor", "--config", str(config), "--json"])
    answer = orjson.loads(capsys.readouterr().out)
    failed = [finding for finding in answer["findings"] if finding["level"] == "fail"]
    assert status == bool(failed)
    assert answer["ok"] is not failed
    found: dict[str, list[dict[str, str]]] = {}
    for finding in answer["findings"]:
        found.setdefault(finding["code"], []).append(finding)
        assert finding["todo"] or finding["level"] == "ok", finding
    return found


@contextmanager
def listening(context: ssl.SSLContext | None = None) -> Iterator[tuple[int, list[bytes]]]:
    """A subscriber that keeps whatever it is sent, and the end of each connection as b''."""
    heard: list[bytes] = []
    server = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                connection, _ = server.accept()
            except OSError:
                return
            with connection:
                connection.settimeout(10)
                try:
                    if context is None:
                        heard.append(connection.recv(4096))
                    else:
                        with context.wrap_socket(connection, server_side=True) as secure:
                            heard.append(secure.recv(4096))
                except OSError as error:
                    heard.append(type(error).__name__.encode())

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield int(server.getsockname()[1]), heard
    finally:
        server.shutdown(socket.SHUT_RDWR)
        server.close()
        thread.join(10)


def test_before_the_first_start(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with listening() as (port, heard):
        found = doctor(tmp_path, capsys, sink=port)
    assert {"state-new", "database-new", "seal-key-new", "node-stopped", "port-free", "reached"} <= found.keys()
    assert heard == [b""]
    assert not (tmp_path / "var").exists()


def test_a_configuration_with_an_error_is_a_finding(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = doctor(tmp_path, capsys, tls=", prot: 1")
    assert found["unknown-key"][0]["level"] == "fail"
    assert re.search(r"hie\.yaml:\d+: ", found["unknown-key"][0]["what"])


def test_a_port_that_another_program_has(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with listening() as (port, _):
        found = doctor(tmp_path, capsys, port=port)
    assert "feed adt" in found["port-taken"][0]["what"]


def test_nobody_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = doctor(tmp_path, capsys, sink=free_port())
    assert "subscriber emr" in found["unreachable"][0]["what"]


@pytest.mark.parametrize("case", ["right", "unknown authority", "no client certificate"])
def test_the_handshake_is_looked_at_and_nothing_is_sent(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], case: str
) -> None:
    ours, theirs = Authority(tmp_path, "ours"), Authority(tmp_path, "theirs")
    own = ours.issue("hie.test")
    trusted = (theirs if case == "unknown authority" else ours).path
    tls = f", tls: {{ca: {trusted}, server_name: emr.test"
    if case == "right":
        tls += f", certificate: {own[0]}, key: {own[1]}"
    with listening(ours.server(ours.issue("emr.test"))) as (port, heard):
        found = doctor(tmp_path, capsys, sink=port, tls=tls + "}")
    assert ("reached" in found, "unreachable" in found) == (case == "right", case != "right")
    assert not any(b"MSH" in one for one in heard)
    if case == "right":
        assert heard == [b""]


def served(pair: Pair, authority: Authority) -> str:
    return f", tls: {{certificate: {pair[0]}, key: {pair[1]}, client_ca: {authority.path}}}"


@pytest.mark.parametrize(
    ("days", "dns", "mode", "code", "level"),
    [
        (90, True, 0o600, "certificate", "ok"),
        (9, True, 0o600, "certificate-ends", "warn"),
        (-1, True, 0o600, "certificate-ended", "fail"),
        (90, False, 0o600, "certificate-names", "fail"),
        (90, True, 0o644, "key-open", "warn"),
    ],
)
def test_certificates_of_a_listener(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], days: int, dns: bool, mode: int, code: str, level: str
) -> None:
    authority = Authority(tmp_path, "authority")
    pair = authority.issue("feed.test", days=days, dns=dns)
    pair[1].chmod(mode)
    found = doctor(tmp_path, capsys, feed=served(pair, authority))
    assert [f["level"] for f in found[code] if "feed.test" in f["what"] or code == "certificate-names"] == [level]


def test_keys_and_chains_that_do_not_belong_together(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    authority, other = Authority(tmp_path, "authority"), Authority(tmp_path, "other")
    pair, stranger = authority.issue("feed.test"), other.issue("else.test")
    assert "key-does-not-fit" in doctor(tmp_path, capsys, feed=served((pair[0], stranger[1]), authority))
    pair[0].write_bytes(pair[0].read_bytes() + other.path.read_bytes())
    assert "certificate-chain" in doctor(tmp_path, capsys, feed=served(pair, authority))
    pair[0].write_text("nothing")
    assert "certificate-unreadable" in doctor(tmp_path, capsys, feed=served(pair, authority))
    pair[0].unlink()
    assert "no such file" in doctor(tmp_path, capsys, feed=served(pair, authority))["certificate-unreadable"][0]["what"]


def test_state_that_others_may_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "var" / "keys").mkdir(parents=True)
    (tmp_path / "var").chmod(0o700)
    (tmp_path / "var" / "keys").chmod(0o700)
    key = tmp_path / "var" / "keys" / "seal.key"
    key.write_text("00" * 32)
    key.chmod(0o640)
    found = doctor(tmp_path, capsys)
    assert [str(key) in f["what"] for f in found["state-open"]] == [True]
    assert "seal-key" in found
    key.chmod(0o600)
    assert "state-private" in doctor(tmp_path, capsys)


@pytest.mark.skipif(not os.access("/dev/shm", os.W_OK), reason="needs /dev/shm as a file system in memory")
def test_state_in_memory(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    mount = mount_of(Path("/dev/shm"))
    assert mount.kind == "tmpfs"
    assert [f.code for f in kind(Path("/dev/shm"), mount)] == ["disk-in-memory"]


@pytest.mark.parametrize(
    ("line", "codes"),
    [
        ("36 35 98:0 / / rw,noatime shared:1 - ext4 /dev/vda rw", ["disk-kind"]),
        ("36 35 98:0 / / rw - overlay overlay rw,lowerdir=/a", ["disk-overlay"]),
        ("36 35 98:0 / / rw - nfs4 host:/export rw", ["disk-network"]),
        ("36 35 98:0 / / ro - ext4 /dev/vda rw", ["disk-read-only", "disk-kind"]),
        ("36 35 98:0 / / rw - ext4 /dev/vda ro,errors=remount-ro", ["disk-read-only", "disk-kind"]),
    ],
)
def test_kinds_of_file_systems(tmp_path: Path, line: str, codes: list[str]) -> None:
    table = tmp_path / "mountinfo"
    table.write_text(f"{line}\n40 36 98:0 / /else\\040where rw - tmpfs none rw\n")
    assert [f.code for f in kind(tmp_path, mount_of(tmp_path, table))] == codes
    assert mount_of(Path("/else where/below"), table).kind == "tmpfs"


def test_a_damaged_file_and_a_schema_of_tomorrow(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "var").mkdir(mode=0o700)
    file = tmp_path / "var" / "hie.db"
    migrate(f"sqlite:///{file}")
    found = doctor(tmp_path, capsys)
    assert {"sqlite-intact", "schema-current"} <= found.keys()
    assert "documents" in found["feed-without-credential"][0]["what"]
    engine = create_engine(f"sqlite:///{file}")
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = 'of-2031'"))
    engine.dispose()
    assert "schema-newer" in doctor(tmp_path, capsys)
    size = file.stat().st_size
    with file.open("r+b") as raw:
        raw.seek(size // 2)
        raw.write(b"\xff" * (size // 4))
    assert doctor(tmp_path, capsys).keys() & {"sqlite-damaged", "database-unreachable"}


def test_postgresql(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with database(POSTGRESQL) as there:
        found = doctor(tmp_path, capsys, database=there.setting)
    assert {"database-reached", "schema-current", "clock-agrees", "postgresql-connections"} <= found.keys()
    assert found["no-synchronous-standby"][0]["level"] == "warn"
    assert "could lose" in found["no-synchronous-standby"][0]["what"]


def test_a_database_that_is_away_tells_no_password(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    url = f"postgresql+psycopg://hie:swordfish@127.0.0.1:{free_port()}/hie"
    found = doctor(tmp_path, capsys, database=url)
    assert found["database-unreachable"][0]["level"] == "fail"
    assert "swordfish" not in str(found)


@pytest.mark.parametrize(
    ("version", "bounds", "holds"),
    [
        ("2.1.4", ">=2.1,<2.2", True),
        ("2.2.0", "<2.2,>=2.1", False),
        ("2.10.1", ">=2.9,<3", True),
        ("2.0.45", ">=2.1,<2.2", False),
        ("25.1.0rc1", ">=25,<27", True),
        ("2025.2", ">=2025.2", True),
    ],
)
def test_bounds_of_versions(version: str, bounds: str, holds: bool) -> None:
    assert within(version, bounds) is holds


def test_a_node_that_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with site(tmp_path) as here:
        found = asked(here.config, capsys)
        assert {"node-runs", "engine-answers", "processing", "seal-key", "feed-credentials"} <= found.keys()
        assert len(found["port-ours"]) == 3
        assert len(found["reached"]) == 2
        assert [f for findings in found.values() for f in findings if f["level"] == "fail"] == []
        assert "tokens-not-handed-out" in found
        said = str(found)
        assert here.token("reports") not in said
        assert here.admin_password() not in said
        assert PASSWORD not in said
        assert here.mllp.seen == []
        assert here.fhir.seen == []
        here.kill("engine")
        assert asked(here.config, capsys).keys() & {"engine-silent", "process-gone", "engine-answers"}


@pytest.mark.parametrize(("section", "name"), [(s, n) for s in ("sources", "sinks") for n in registry.names(s)])
def test_every_adapter_that_connects_can_be_looked_at(section: str, name: str) -> None:
    assert (section == "sources" and name == "mllp") or registry.probe(section, name) is not None


def test_the_page_has_every_code() -> None:
    page = (ROOT / "docs" / "operate" / "doctor.md").read_text("utf-8")
    codes = set()
    for file in (ROOT / "hie" / "doctor").glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") in ("ok", "warn", "fail"):
                first = node.args[0]
                if isinstance(first, ast.Constant):
                    codes.add(first.value)
    assert len(codes) > 50
    assert sorted(code for code in codes if f"`{code}`" not in page) == []
