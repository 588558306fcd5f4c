"""What `hie check` refuses of a queue, with file, line and reason; and what never shows."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from adapters.queue import transports
from adapters.queue.connection import peer
from adapters.queue.settings import QueueSink, QueueSource
from hie.cli import main

CONFIG = """\
participants:
  - {{name: north, types: [clinic]}}
feeds:
  - name: north
    participant: north
    timezone: America/Chicago
    expected_interval: 1h
    source:
      kind: queue
      queue: north.adt
      url: "{url}"
      {more}
"""
SUBSCRIBER = """\
subscribers:
  - name: practice
    participant: north
    purpose: TREAT
    encoder: bundle
    sink:
      kind: queue
      queue: practice.in
      url: "{url}"
      {more}
"""
WITH_PASSWORD = "password_env: HIE_NORTH"


def checked(folder: Path, capsys: pytest.CaptureFixture[str], text: str) -> tuple[int, str]:
    (folder / "hie.yaml").write_text(text)
    try:
        code = main(["check", "--config", str(folder / "hie.yaml")])
    except SystemExit as ended:
        code = int(ended.code or 0)
    return code, "".join(capsys.readouterr())


@pytest.mark.parametrize("scheme", sorted(transports.UNSAFE))
def test_unsafe_transports_are_refused_with_line_and_reason(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], scheme: str
) -> None:
    code, said = checked(tmp_path, capsys, CONFIG.format(url=f"{scheme}://broker/0", more=""))
    assert code == 2
    assert (
        f"hie.yaml:11: bad-value: feeds.0.source.url: {scheme}:// is not safe: it {transports.UNSAFE[scheme]}" in said
    )


@pytest.mark.parametrize(
    "url", ["sqla+postgresql://broker/0", "qpid://broker", "mqtt://broker", "pyamqp://h", "x.y:Z://h"]
)
def test_unknown_transports_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str], url: str) -> None:
    code, said = checked(tmp_path, capsys, CONFIG.format(url=url, more=""))
    assert code == 2
    assert "hie.yaml:11: bad-value: feeds.0.source.url: " in said
    assert "is not safe" in said or "is refused" in said or "must look like" in said


def test_every_transport_of_kombu_was_judged() -> None:
    from kombu.transport import TRANSPORT_ALIASES

    # aliases of the same thing, and what nobody has looked at: refused as unknown
    unjudged = {"pyamqp", "librabbitmq", "confluentkafka", "SQS", "SLMQ", "slmq", "qpid", "pyro", "gcpubsub", "pgmq"}
    assert set(TRANSPORT_ALIASES) - set(transports.SAFE) - set(transports.UNSAFE) == unjudged


@pytest.mark.parametrize(
    ("scheme", "extra"), [("sqs", "sqs"), ("azureservicebus", "azureservicebus"), ("kafka", "confluentkafka")]
)
def test_a_missing_package_is_named_with_its_extra(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, scheme: str, extra: str
) -> None:
    monkeypatch.setattr(transports, "_installed", lambda module: False)
    code, said = checked(tmp_path, capsys, CONFIG.format(url=f"{scheme}://", more="prefetch: 1"))
    assert code == 2
    assert f"hie.yaml:11: bad-value: feeds.0.source.url: {scheme}:// needs a package" in said
    assert f"pip install 'kombu[{extra}]'" in said
    monkeypatch.setattr(transports, "_installed", lambda module: True)
    assert checked(tmp_path, capsys, CONFIG.format(url=f"{scheme}://", more="prefetch: 1"))[0] == 0


def test_kafka_is_read_one_at_a_time_and_never_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transports, "_installed", lambda module: True)
    assert "prefetch: 1" in checked(tmp_path, capsys, CONFIG.format(url="kafka://broker", more=""))[1]
    feed = CONFIG.format(url="amqp://hie@127.0.0.1", more=WITH_PASSWORD)
    code, said = checked(tmp_path, capsys, feed + SUBSCRIBER.format(url="kafka://broker", more=""))
    assert code == 2
    assert "kombu does not tell whether Kafka has taken a message" in said


@pytest.mark.parametrize("way", ["in", "out"])
@pytest.mark.parametrize("scheme", ["amqp", "amqps", "redis", "whatever"])
def test_a_password_in_the_url_is_refused_and_not_repeated(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], way: str, scheme: str
) -> None:
    url = f"{scheme}://hie:s3cr3t-w0rd@127.0.0.1:5672/v"
    text = CONFIG.format(url=url, more="")
    if way == "out":
        text = CONFIG.format(url="amqp://hie@127.0.0.1", more=WITH_PASSWORD) + SUBSCRIBER.format(url=url, more="")
    code, said = checked(tmp_path, capsys, text)
    assert code == 2
    assert "s3cr3t" not in said
    if scheme.startswith("amqp"):
        assert "password_file or password_env" in said


@pytest.mark.parametrize(
    ("url", "more", "told"),
    [
        ("amqp://hie@broker.example/v", WITH_PASSWORD, "use amqps://"),
        ("amqp://hie@127.0.0.1/v", "", "has no password"),
        ("amqp://127.0.0.1/v", WITH_PASSWORD, "names no user"),
        ("amqp://hie@/v", WITH_PASSWORD, "names no host"),
        ("amqp://hie@127.0.0.1:99999/v", WITH_PASSWORD, "no valid host and port"),
        ("amqps://hie@127.0.0.1/v?ssl_cert_reqs=none", WITH_PASSWORD, "query"),
        ("amqp://hie@127.0.0.1/v", "{password_env: A, password_file: b}", ""),
        ("broker.example", "", "must look like"),
    ],
)
def test_what_is_wrong_with_an_address_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], url: str, more: str, told: str
) -> None:
    text = CONFIG.format(url=url, more="password_env: A\n      password_file: b" if more.startswith("{") else more)
    code, said = checked(tmp_path, capsys, text)
    assert code == 2
    assert told in said


@pytest.mark.parametrize(
    "options",
    [
        {"url": "amqp://hie@broker.example/v", "plain_text": True},
        {"url": "amqps://hie@broker.example:5671/v"},
        {"url": "amqp://hie@localhost:5672//"},
    ],
)
def test_what_may_be_is_taken(options: dict[str, Any]) -> None:
    found = QueueSource(queue="q", password_env="A", **options)
    assert "hie@" not in peer(found)


def test_a_client_certificate_takes_the_place_of_a_user() -> None:
    tls = {"certificate": "c.pem", "key": "k.pem"}
    assert QueueSource(url="amqps://broker.example", queue="q", tls=tls).transport.amqp  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({}, "either a queue or an exchange"),
        ({"queue": "q", "exchange": "e"}, "either a queue or an exchange"),
        ({"queue": "q", "routing_key": "r"}, "routing_key is for an exchange"),
        ({"exchange": "e", "declare": True}, "not declared from here"),
    ],
)
def test_a_sink_says_where_to(options: dict[str, Any], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        QueueSink(url="amqps://hie@broker.example", password_env="A", **options)


def test_the_configurations_of_the_page_are_configurations(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = (Path(__file__).resolve().parents[3] / "docs" / "operate" / "queues.md").read_text("utf-8")
    feed, certificate, subscriber = [yaml.safe_load(b) for b in re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)]
    other = {**feed, "feeds": [feed["feeds"][0] | certificate]}
    for document in (feed, other, subscriber):
        code, said = checked(tmp_path, capsys, yaml.safe_dump(document))
        assert code == 0, said
