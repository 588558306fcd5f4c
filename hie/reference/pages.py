"""All pages by file name, and the index over them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

from hie.reference import adapters, commands, errors, mapping, metrics, outcomes, roles, settings
from hie.reference.markdown import NOTE

PAGES: Final[dict[str, Callable[[], str]]] = {
    "settings.md": settings.page,
    "commands.md": commands.page,
    "metrics.md": metrics.page,
    "outcomes.md": outcomes.page,
    "errors.md": errors.page,
    "adapters.md": adapters.page,
    "roles.md": roles.page,
    "mapping.md": mapping.page,
}


def render() -> dict[str, str]:
    """File name -> Markdown."""
    made = {name: f"{NOTE}\n\n{page().strip()}\n" for name, page in PAGES.items()}
    lines = [NOTE, "", "# Reference", ""]
    for name, text in made.items():
        title, about = _head(text)
        lines.append(f"- [{title}]({name}): {about}")
    return {"README.md": "\n".join(lines) + "\n", **made}


def write(folder: Path) -> list[Path]:
    """Writes every page; answers the files."""
    folder.mkdir(parents=True, exist_ok=True)
    made = render()
    for stale in folder.glob("*.md"):
        if stale.name not in made:
            stale.unlink()
    for name, text in made.items():
        (folder / name).write_text(text, "utf-8")
    return [folder / name for name in made]


def _head(text: str) -> tuple[str, str]:
    """Title and first sentence of a page."""
    blocks = [block for block in text.split("\n\n") if not block.startswith("<!--")]
    return blocks[0].removeprefix("# "), blocks[1].replace("\n", " ").partition(". ")[0].rstrip(".") + "."
