"""The style sheet and the icon, from the package: nothing is loaded from anywhere else."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from importlib.resources import files

from starlette.requests import Request
from starlette.responses import Response

from hie.errors import NotFound

KINDS = {"console.css": "text/css; charset=utf-8", "icon.svg": "image/svg+xml"}


@lru_cache(maxsize=4)
def _content(name: str) -> tuple[bytes, str]:
    content = files("hie.console").joinpath("static", name).read_bytes()
    return content, f'"{hashlib.sha256(content).hexdigest()[:16]}"'


async def asset(request: Request) -> Response:
    name = request.path_params["name"]
    if name not in KINDS:
        raise NotFound("there is no such file")
    content, tag = _content(name)
    headers = {"etag": tag, "cache-control": "public, max-age=300"}
    if request.headers.get("if-none-match") == tag:
        return Response(b"", 304, headers)
    return Response(content, 200, headers, KINDS[name])
