"""`hie COMMAND`: one module a command, imported only when it is called.

A command module has `configure(parser)` and `run(arguments) -> exit code`. Exit codes: 0 done,
1 some input refused, 2 wrong usage or configuration.
"""

from __future__ import annotations

import argparse
import sys
from importlib import import_module
from types import ModuleType

from hie.errors import ConfigurationError, HieError

COMMANDS: dict[str, str] = {
    "access": "users, programs, feed tokens and what they may do",
    "audit": "verify the audit chain, account for disclosures",
    "bench": "measure the whole pipeline on this machine",
    "check": "look for configuration errors, with file and line",
    "check-message": "hold messages against the standard and a site's profile",
    "codes": "codes and fields without a standard meaning: list, export to fill in",
    "consent": "decide on records by their consents, run the cases beside a policy",
    "deadletters": "deliveries that were given up: list, show, release, purge",
    "decode": "turn messages and documents into FHIR R4, storing nothing",
    "demo": "a whole region on one machine, with real traffic",
    "doctor": "look at disk, database, clock, certificates, subscribers",
    "explain": "what would happen to a message: the dry run",
    "fax": "preview what would be done with faxes",
    "init": "write an example configuration to start from",
    "labels": "which sensitivity labels a resource earns",
    "mpi": "link, train, evaluate and review patient matching",
    "quarantine": "messages not understood or refused: list, show, release, purge",
    "redeliver": "send again, oldest first, as today's identity and consent decide",
    "reprocess": "read stored messages again with today's decoders and routing",
    "reload": "have a running node take on its changed configuration",
    "run": "run a node",
    "shadow": "compare with what the present engine sent",
    "trace": "the life of one message",
}
"""Name -> one line for `hie --help`."""


def command(name: str) -> ModuleType:
    """The module of a command: `check-message` is `hie.cli.check_message`."""
    return import_module(f"hie.cli.{name.replace('-', '_')}")


def main(argv: list[str] | None = None) -> int:
    arguments = sys.argv[1:] if argv is None else argv
    parser = argparse.ArgumentParser(prog="hie", description="Health information exchange middleware.")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    chosen = next((a for a in arguments if not a.startswith("-")), None)
    for name, line in COMMANDS.items():
        if name == chosen:
            module = command(name)
            made = commands.add_parser(
                name, help=line, description=module.__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
            )
            module.configure(made)
            made.set_defaults(run=module.run)
        else:
            commands.add_parser(name, help=line)
    parsed = parser.parse_args(arguments)
    try:
        return int(parsed.run(parsed))
    except ConfigurationError as error:
        print(f"hie: {error}", file=sys.stderr)
        return 2
    except HieError as error:
        print(f"hie: {error}", file=sys.stderr)
        return 1
    except BrokenPipeError:
        return 0
    except KeyboardInterrupt:
        return 130
    except Exception as error:
        # the database driver's own words may hold values of a row, so none of them is passed on
        if not type(error).__module__.startswith(("sqlalchemy", "sqlite3", "psycopg")):
            raise
        print(f"hie: store-unavailable: the database cannot be used ({type(error).__name__})", file=sys.stderr)
        return 1
