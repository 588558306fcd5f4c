"""What answers a command: it takes who asks, then the arguments of the command by name."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

Handler = Callable[..., Awaitable[Any]]
