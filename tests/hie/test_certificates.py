"""Which certificate files a configuration names, where they lie, and when they end."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from hie import settings
from hie.certificates import certificate_files
from tests.adapters.hl7v2.mllp_authority import Authority

DAY = 86_400
CONFIG = """\
participants: [{name: a}]
feeds:
  - name: north
    participant: a
    source: {kind: mllp, port: 1, tls: {certificate: tls/ca.here.pem, key: tls/ca.here.key, client_ca: tls/ca.ca.pem}}
  - {name: plain, participant: a, source: {kind: http}}
subscribers:
  - name: lab
    participant: a
    purpose: TREAT
    encoder: original
    sink: {kind: mllp, host: lab, port: 2, tls: {certificate: tls/ca.us.pem, key: tls/ca.us.key}}
"""


def test_files_are_found_beside_the_configuration_and_say_when_they_end(tmp_path: Path) -> None:
    (tmp_path / "tls").mkdir()
    authority, soon = Authority(tmp_path / "tls", "ca"), Authority(tmp_path / "tls", "soon")
    here, _ = authority.issue("here", days=30)
    us, _ = authority.issue("us", days=3)
    here.write_bytes(here.read_bytes() + soon.path.read_bytes())  # a chain: what ends first, ends it
    authority.path.write_bytes(us.read_bytes() + authority.path.read_bytes())  # authorities: the last counts
    (tmp_path / "hie.yaml").write_text(CONFIG)
    found = certificate_files(settings.load(tmp_path / "hie.yaml"))
    ends = {file.name: round((file.ends_at() - time.time()) / DAY) for file in found}
    assert ends == {"feed north certificate": 9, "feed north client_ca": 9, "subscriber lab certificate": 3}
    us.write_bytes(b"no certificate")
    with pytest.raises(ValueError, match="PEM"):
        found[-1].ends_at()
