"""Access broken on purpose: the tests that guard it must notice."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from hie.access import authenticate, directory, roles
from hie.access.roles import CAPABILITIES, Capability, Role
from tests.access import test_accounts, test_authenticate
from tests.access.conftest import Site

pytestmark = pytest.mark.broken(10)


def noticed(test: Callable[..., None], *arguments: object) -> None:
    with pytest.raises((AssertionError, pytest.fail.Exception)):
        test(*arguments)


def test_a_check_that_lets_everybody_pass(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(test_authenticate, "require", lambda principal, capability, feed=None: None)
    noticed(test_authenticate.test_a_feed_may_post_to_its_own_feed_only, site)


def test_a_feed_that_may_post_anywhere(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    def careless(principal: roles.Principal, capability: Capability, feed: str | None = None) -> None:
        if capability not in principal.capabilities:
            raise roles.AccessDenied("x", code="not-allowed")

    monkeypatch.setattr(test_authenticate, "require", careless)
    noticed(test_authenticate.test_a_feed_may_post_to_its_own_feed_only, site)


def test_an_operator_who_sees_content(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(CAPABILITIES, Role.OPERATOR, CAPABILITIES[Role.OPERATOR] | {Capability.CONTENT_READ})
    noticed(test_accounts.test_who_must_not_see_content)


def test_a_directory_that_never_reads_again(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(directory.Directory, "_current", lambda self: self._snapshot or _first(self))
    noticed(test_authenticate.test_a_disabled_credential_is_refused_within_a_second, site)


def _first(found: directory.Directory) -> object:
    found._snapshot = found._read()
    return found._snapshot


def test_any_password_is_right(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(authenticate, "password_matches", lambda password, kept: True)
    noticed(test_authenticate.test_a_person_by_password, site)
