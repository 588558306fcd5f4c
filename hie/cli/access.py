"""Users, programs and tokens. Passwords and tokens are printed once and kept only as hashes.

example: hie access add-user j.alvarez --role operator --role steward
example: hie access add-client lakeside-ehr --role subscriber --participant lakeside
example: hie access feed-token north          (a new token for a feed; --keep-old while the sender changes over)
example: hie access reset-administrator       (the way back in)
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import orjson


def configure(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    listed = actions.add_parser("list", help="all credentials, without secrets")
    user = actions.add_parser("add-user", help="a person")
    client = actions.add_parser("add-client", help="a program")
    roles = actions.add_parser("set-roles", help="other roles; ends the person's sessions")
    for action in (user, client, roles):
        action.add_argument("name", metavar="NAME")
        action.add_argument("--role", action="append", required=True, dest="roles", metavar="ROLE")
        action.add_argument("--participant", default="", metavar="NAME", help="whom clinicians and subscribers act for")
    password = actions.add_parser("set-password", help="a new password; ends the person's sessions")
    token = actions.add_parser("replace-token", help="a new token for a program")
    feed = actions.add_parser("feed-token", help="a new token for a feed")
    retire = actions.add_parser("retire-token", help="end the old token that --keep-old left valid")
    disable = actions.add_parser("disable", help="refuse a credential from now on")
    enable = actions.add_parser("enable", help="accept it again")
    for action in (password, token, feed, retire, disable, enable):
        action.add_argument("name", metavar="NAME")
    for action in (token, feed):
        action.add_argument("--keep-old", action="store_true", help="the token before stays valid until retire-token")
    for action in (user, password):
        action.add_argument("--password-stdin", action="store_true", help="read it from stdin instead of making one")
    reset = actions.add_parser("reset-administrator", help="a new password for admin, enabled again")
    for action in (listed, user, client, roles, password, token, feed, retire, disable, enable, reset):
        action.add_argument("--config", type=Path, metavar="FILE")
        action.add_argument("--json", action="store_true", help="one JSON object on stdout")


def run(arguments: argparse.Namespace) -> int:
    from hie.cli.configuration import settings_of
    from hie.cli.direct import change_access

    settings = settings_of(arguments.config)
    if arguments.action == "list":
        return _list(arguments, settings)
    present = {account.name for account in _accounts(settings)}
    change, asked, secret = _asked(arguments, settings, present)
    answer = change_access(settings, change, asked)
    shown = {k: v for k, v in asked.items() if k != "secret"} | answer | secret
    if arguments.json:
        _write({"change": change, **shown})
        return 0
    print(f"{arguments.action}: done")
    for name, value in secret.items():
        print(f"{name} (shown once): {value}")
    return 0


def _asked(
    arguments: argparse.Namespace, settings: Any, present: set[str]
) -> tuple[str, dict[str, Any], dict[str, str]]:
    """The change, its arguments with the secret hashed, and the secret to be shown: hashing is not the engine's work."""
    from hie.access.credentials import check_password, new_password, new_token, password_hash, token_digest
    from hie.access.directory import FEED_PREFIX

    action = arguments.action
    asked: dict[str, Any] = {}
    if action in ("add-user", "add-client", "set-roles"):
        _check_participant(arguments.participant, settings)
        asked = {"roles": arguments.roles, "participant": arguments.participant}
    if action in ("add-user", "set-password", "reset-administrator"):
        given = _from_stdin() if getattr(arguments, "password_stdin", False) else None
        if given is not None:
            check_password(given)
        password = given or new_password()
        asked["secret"] = password_hash(password)
        if action != "reset-administrator":
            asked["name"] = arguments.name
        return action, asked, {} if given else {"password": password}
    if action in ("add-client", "replace-token", "feed-token"):
        token = new_token()
        asked["secret"] = token_digest(token)
        if action == "feed-token":
            _check_feed(arguments.name, settings)
            asked["name"] = FEED_PREFIX + arguments.name
            if asked["name"] not in present:
                return "add-feed", {"feed": arguments.name, "secret": asked["secret"]}, {"token": token}
        else:
            asked["name"] = arguments.name
        if action != "add-client":
            asked["keep_old"] = arguments.keep_old
        return ("replace-token" if action == "feed-token" else action), asked, {"token": token}
    return action, asked | {"name": arguments.name}, {}


def _check_participant(name: str, settings: Any) -> None:
    from hie.errors import Conflict

    if name and name not in [p.name for p in settings.participants]:
        raise Conflict(f"no participant is called {name!r}", code="unknown-participant", hint="see the configuration")


def _check_feed(name: str, settings: Any) -> None:
    from hie.errors import NotFound

    names = [feed.name for feed in settings.feeds if feed.kind == "http"]
    if name not in names:
        hint = f"one of {', '.join(names)}" if names else "no feed has `source: {kind: http}`"
        raise NotFound(f"no feed called {name!r} takes a token", code="unknown-feed", hint=hint)


def _accounts(settings: Any) -> list[Any]:
    from hie.access.accounts import accounts
    from hie.cli.direct import reading

    with reading(settings) as connection:
        return list(accounts(connection))


def _list(arguments: argparse.Namespace, settings: Any) -> int:
    from dataclasses import asdict

    found = _accounts(settings)
    if arguments.json:
        _write({"credentials": [asdict(a) for a in found]})
        return 0
    for account in found:
        state = "disabled" if account.disabled_at is not None else ""
        roles = " ".join(account.roles)
        print(f"{account.kind:<7} {account.name:<28} {roles:<32} {account.participant:<16} {state}".rstrip())
    return 0


def _from_stdin() -> str:
    return sys.stdin.readline().rstrip("\r\n")


def _write(found: dict[str, Any]) -> None:
    sys.stdout.write(orjson.dumps(found, option=orjson.OPT_INDENT_2).decode() + "\n")
