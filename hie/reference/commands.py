"""The page of commands: description, arguments and examples, read from the parsers themselves."""

from __future__ import annotations

import argparse
from collections.abc import Iterator

from hie.cli import COMMANDS, command
from hie.reference.markdown import table

_HEAD = """# Commands

`hie COMMAND --help` says the same. Exit codes: 0 done, 1 some input refused (or a check failed), 2 wrong usage or
configuration.
"""


def page() -> str:
    parts = [_HEAD.strip()]
    for name, line in COMMANDS.items():
        parts.append(f"## `hie {name}`\n\n{line[0].upper()}{line[1:]}.\n\n```\n{description(name)}\n```")
        parts += _arguments(parser(name), f"hie {name}")
    return "\n\n".join(parts)


def description(name: str) -> str:
    """What `hie NAME --help` says at its top."""
    return (command(name).__doc__ or "").strip()


def parser(name: str) -> argparse.ArgumentParser:
    """The command's parser, as `hie` would build it."""
    made = argparse.ArgumentParser(prog=f"hie {name}")
    command(name).configure(made)
    return made


def examples(name: str) -> list[str]:
    """Command lines that stand in the description, without what is said about them behind two spaces and a bracket."""
    found = []
    for text in description(name).splitlines():
        start = text.strip().removeprefix("example:").removeprefix("Example:").strip()
        if start.startswith(f"hie {name}"):
            found.append(start.partition("  (")[0].replace("[", "").replace("]", ""))
    return found


def _arguments(parsed: argparse.ArgumentParser, path: str) -> Iterator[str]:
    # argparse has no public way to ask a parser for its arguments; help texts differ between Python versions
    rows = []
    for action in parsed._actions:
        if isinstance(action, argparse._SubParsersAction):
            helps = {choice.dest: choice.help or "" for choice in action._choices_actions}
            for name, below in action.choices.items():
                yield f"### `{path} {name}`\n\n{helps.get(name, '')}"
                yield from _arguments(below, f"{path} {name}")
        elif not isinstance(action, argparse._HelpAction):
            rows.append((_name(action), _need(action), action.help or ""))
    if rows:
        yield table(("argument", "", "meaning"), rows)


def _name(action: argparse.Action) -> str:
    value = action.metavar or (" or ".join(map(str, action.choices)) if action.choices else action.dest.upper())
    if not action.option_strings:
        return f"`{value}`"
    return f"`{action.option_strings[-1]}`" if action.nargs == 0 else f"`{action.option_strings[-1]} {value}`"


def _need(action: argparse.Action) -> str:
    many = action.nargs in ("+", "*") or isinstance(action, argparse._AppendAction)
    if action.required:
        return "required, may stand several times" if many else "required"
    if action.default in (None, False, "", argparse.SUPPRESS):
        return "may stand several times" if many else ""
    return f"default `{action.default}`"
