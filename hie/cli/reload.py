"""Has the node that runs take on its changed configuration file: policy, rosters, feeds, subscribers. It is checked
completely first; where anything is wrong the node goes on as before, and this says why.

Feeds that stay as they are keep their connections, and nothing that was accepted is lost. `name`, `var`, `database` and some
sizes under `workers` change with a restart only. The same as SIGHUP to the parent process, but it waits and says what came of it.

Exit code 0: in force; 1: no node, or no answer; 2: refused.

example: hie reload --config config/demo/hie.yaml
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

import orjson

SECONDS = 120.0


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--config", type=Path, metavar="FILE", required=True, help="the file the node was started with")
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")


def run(arguments: argparse.Namespace) -> int:
    from hie import lastgood, reload
    from hie.doctor.processes import running
    from hie.errors import ConfigurationError, HieError

    var = lastgood.state_directory(arguments.config)
    before = reload.told(var)
    if not running(var) or not before:
        text = f"no node runs on {var}"
        raise HieError(text, code="no-node", hint="hie check looks at the file; hie run starts a node")
    if before["file"] != str(arguments.config.resolve()):
        raise ConfigurationError(
            f"the node on {var} was started with another file", file=before["file"], code="other-file"
        )
    os.kill(int((var / "run" / "node.lock").read_text()), signal.SIGHUP)
    said = _answer(var, before["attempt"])
    if arguments.json:
        sys.stdout.write(orjson.dumps(said, option=orjson.OPT_INDENT_2).decode() + "\n")
    elif said["success"]:
        print(f"configuration {said['hash']} is in force, {said['changed'].get('before', '')} was before")
        for word in ("ended", "unbound"):
            if names := said["changed"].get(word):
                print(f"{word}: {', '.join(names)}")
    else:
        for wrong in said["errors"]:
            print(ConfigurationError(wrong.pop("text"), **wrong))
        print(f"not reloaded: configuration {said['hash']} stays in force")
    return 0 if said["success"] else 2


def _answer(var: Path, attempt: int) -> dict[str, Any]:
    """What the node tells of the next attempt. Raises StoreUnavailable."""
    from hie import reload
    from hie.errors import StoreUnavailable

    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        said = reload.told(var)
        if said.get("attempt", attempt) > attempt:
            return said
        time.sleep(0.05)
    raise StoreUnavailable("the node does not say what became of it", code="no-answer", hint="see its log")
