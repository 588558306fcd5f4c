"""Whether a folder is there and we may do in it what we must: by its permissions, writing nothing."""

from __future__ import annotations

import os
from pathlib import Path

from adapters.files.settings import FolderSink, FolderSource
from hie.errors import TemporaryFailure


def probe(settings: FolderSource | FolderSink) -> str:
    """The entry named in manifest.toml (hie.ports.Probe)."""
    folder = Path(settings.folder)
    if not folder.is_dir():
        raise TemporaryFailure(f"{folder} is not there", code="no-folder", hint="make it, or mount the share")
    # both sides rename: a source its files into `done`, a sink what it wrote under another name
    if not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
        raise TemporaryFailure(f"{folder} may not be written", code="folder-closed", hint="owner and permissions")
    if os.statvfs(folder).f_flag & os.ST_RDONLY:
        raise TemporaryFailure(f"{folder} is mounted read-only", code="folder-read-only", hint="mount it for writing")
    return f"{folder} is there and can be written"
