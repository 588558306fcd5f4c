"""TLS towards a real broker: its certificate and name are checked, and a client certificate can be the login."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from adapters.queue.connection import Line, Lost
from adapters.queue.settings import QueueSource
from hie.simulation.process import free_port
from tests.adapters.hl7v2.mllp_authority import Authority
from tests.adapters.queue.conftest import HOW
from tests.adapters.queue.rabbit import PASSWORD, OwnRabbit, installed

pytestmark = pytest.mark.slow


class TlsRabbit(OwnRabbit):
    def __init__(self, directory: Path) -> None:
        self.authority = Authority(directory, "mq.region.example")
        self.stranger = Authority(directory, "stranger.example")
        certificate, key = self.authority.issue("localhost", ip="127.0.0.1")
        self.tls_port = free_port()
        lines = (
            f"listeners.ssl.default = 127.0.0.1:{self.tls_port}",
            f"ssl_options.cacertfile = {self.authority.path}",
            f"ssl_options.certfile = {certificate}",
            f"ssl_options.keyfile = {key}",
            "ssl_options.verify = verify_peer",
            "ssl_options.fail_if_no_peer_cert = false",
            "auth_mechanisms.1 = PLAIN",
            "auth_mechanisms.2 = AMQPLAIN",
            "auth_mechanisms.3 = EXTERNAL",
            "ssl_cert_login_from = common_name",
        )
        super().__init__(directory, "\n".join(lines) + "\n", "rabbitmq_auth_mechanism_ssl")


@pytest.fixture(scope="module")
def broker_with_tls(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TlsRabbit]:
    if installed("rabbitmq-server") is None:
        pytest.skip(f"no rabbitmq-server to start one with TLS: {HOW}")
    own = TlsRabbit(tmp_path_factory.mktemp("rabbit"))
    own.start()
    own.control("add_user", "hie-node", "never-used-here")
    own.control("set_permissions", "hie-node", ".*", ".*", ".*")
    yield own
    own.kill()


def opened(broker: TlsRabbit, host: str = "localhost", user: str = "guest@", **tls: Any) -> None:
    url = f"amqps://{user}{host}:{broker.tls_port}//"
    password = {"password_env": PASSWORD} if user else {}
    Line(QueueSource(url=url, queue="q", connect_seconds=5, tls=tls or None, **password)).close()


def test_a_broker_is_believed_by_its_certificate(broker_with_tls: TlsRabbit, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(PASSWORD, "guest")
    ca = str(broker_with_tls.authority.path)
    opened(broker_with_tls, ca=ca)
    opened(broker_with_tls, host="127.0.0.1", ca=ca, server_name="localhost")
    for wrong in ({"ca": str(broker_with_tls.stranger.path)}, {"ca": ca, "server_name": "other.example"}, {}):
        with pytest.raises(Lost) as caught:
            opened(broker_with_tls, **wrong)
        assert caught.value.reason == "tls-certificate-verify-failed"


def test_a_client_certificate_is_the_login(broker_with_tls: TlsRabbit) -> None:
    ca = str(broker_with_tls.authority.path)
    certificate, key = broker_with_tls.authority.issue("hie-node")
    opened(broker_with_tls, user="", ca=ca, certificate=str(certificate), key=str(key))
    certificate, key = broker_with_tls.authority.issue("nobody-known")
    with pytest.raises(Lost) as caught:
        opened(broker_with_tls, user="", ca=ca, certificate=str(certificate), key=str(key))
    assert caught.value.reason == "access-refused"
    certificate, key = broker_with_tls.stranger.issue("hie-node")
    with pytest.raises(Lost):
        opened(broker_with_tls, user="", ca=ca, certificate=str(certificate), key=str(key))


def test_a_certificate_that_cannot_be_read_is_no_crash(
    broker_with_tls: TlsRabbit, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(PASSWORD, "guest")
    with pytest.raises(Lost):
        opened(broker_with_tls, ca="/nowhere/ca.pem")
