"""The page of roles and rights."""

from __future__ import annotations

from hie.access.roles import CAPABILITIES, FOR_PROGRAMS, NEEDS_PARTICIPANT, Capability, Role
from hie.reference.markdown import described, table

_HEAD = """# Roles and rights

Every route and every command that asks the node names the one right that it needs; nobody has what is not listed here.
A person may have several roles; a program has one. [Access](../operate/access.md) says how credentials are made and ended.
"""


def page() -> str:
    roles, rights = described(Role), described(Capability)
    return "\n\n".join(
        [
            _HEAD.strip(),
            "## Roles",
            table(
                ("role", "for", "meaning", "rights"),
                [
                    (f"`{Role[name].value}`", _holder(Role[name]), text, _rights(Role[name]))
                    for name, text in roles.items()
                ],
            ),
            "## Rights",
            table(
                ("right", "allows", "roles"),
                [(f"`{Capability[name].value}`", text, _roles(Capability[name])) for name, text in rights.items()],
            ),
        ]
    )


def _holder(role: Role) -> str:
    holder = "programs" if role in FOR_PROGRAMS else "people"
    return f"{holder} of a participant" if role in NEEDS_PARTICIPANT else holder


def _rights(role: Role) -> str:
    return ", ".join(f"`{right.value}`" for right in Capability if right in CAPABILITIES[role])


def _roles(right: Capability) -> str:
    return ", ".join(f"`{role.value}`" for role in Role if right in CAPABILITIES[role]) or "none"
