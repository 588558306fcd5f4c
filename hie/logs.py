"""Logging: JSON lines on stderr, by allow-list, so that no patient data can get into them.

Only the keys of ALLOWED pass, cut to a length; any other becomes "[masked]". Events are constant texts. An exception is
shown by type and place, its text only where it is one of hie.errors, whose texts never hold values. What other
libraries log is reduced to logger, level and place, because nobody knows what is in it.
"""

from __future__ import annotations

import logging
import sys
import traceback
from collections.abc import MutableMapping
from typing import Any

import structlog

from hie.errors import HieError

ALLOWED = frozenset(
    [
        "event",
        "level",
        "logger",
        "timestamp",
        "pid",
        "feed",
        "format",
        "source_kind",
        "subscriber",
        "participant",
        "process",
        "stage",
        "lane",
        "state",
        "outcome",
        "reason",
        "code",
        "kind",
        "rule",
        "decision",
        "peer",
        "host",
        "port",
        "address",
        "command",
        "route",
        "method",
        "status",
        "attempt",
        "attempts",
        "count",
        "seconds",
        "bytes",
        "day",
        "message",
        "delivery",
        "task",
        "text",
        "hint",
        "file",
        "line",
        "hash",
        "revision",
        "version",
        "name",
        "adapter",
        "setting",
        "where",
        "error",
    ]
)
"""Keys that may appear. `message`, `delivery`, `task` are our own ids; `text` and `hint` come from hie.errors;
`file` is a configuration or source file, never an incoming one."""
MASK = "[masked]"
MAX_LENGTH = 300
OURS = ("hie", "adapters", "mpi")
_FOREIGN = frozenset({"logger", "level", "timestamp", "error", "where"})
_RECORD = frozenset({*logging.makeLogRecord({}).__dict__, "message", "asctime"})
_PLAIN = (bool, int, float, type(None))


def get_logger(name: str) -> Any:
    """A structlog logger: `log.warning("constant-event", key=value)`."""
    return structlog.stdlib.get_logger(name)


def configure(level: int = logging.INFO, stream: Any = None) -> None:
    """Sends everything, the standard library's loggers included, through the allow-list. Done once at import."""
    before: list[Any] = [
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        add_extra,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        describe_exception,
        redact,
    ]
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=before,
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.JSONRenderer(ensure_ascii=True, default=lambda _: MASK),
        ],
    )
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(formatter)
    handler.set_name("hie")
    root = logging.getLogger()
    root.handlers = [*(h for h in root.handlers if h.get_name() != "hie"), handler]
    # libraries are heard only when something is wrong
    root.setLevel(logging.WARNING)
    for ours in OURS:
        logging.getLogger(ours).setLevel(level)
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *(step for step in before if step is not add_extra),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )


def add_extra(logger: Any, method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Takes over what a standard-library call gave as `extra`."""
    for key, value in event["_record"].__dict__.items():
        # `message` and `asctime` are left by another handler's formatting: they hold the rendered text
        if key not in _RECORD:
            event[key] = value
    return event


def describe_exception(logger: Any, method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Replaces exc_info by type, code and place."""
    record = event.get("_record")
    found = event.pop("exc_info", None) or getattr(record, "exc_info", None)
    if record is not None:
        record.exc_info = record.exc_text = record.stack_info = None
    event.pop("stack_info", None)
    if found is True:
        found = sys.exc_info()
    if isinstance(found, BaseException):
        found = (type(found), found, found.__traceback__)
    if found and found[1] is not None:
        event["error"], event["where"] = _place(found[1])
        if isinstance(found[1], HieError):
            event.setdefault("code", found[1].code)
            event.setdefault("text", found[1].text)
    return event


def redact(logger: Any, method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Keeps what is allowed. The event of a foreign logger is not."""
    name = str(event.get("logger", ""))
    if name.partition(".")[0] not in OURS:
        record = event.get("_record")
        place = f"{record.module}:{record.lineno}" if record is not None else ""
        for key in [key for key in event if key in ALLOWED - _FOREIGN]:
            event[key] = MASK
        event["event"] = MASK
        event.setdefault("where", place)
    for key in list(event):
        if key.startswith("_"):  # structlog's own, removed before rendering
            continue
        if key not in ALLOWED:
            event[key] = MASK
        else:
            value = event[key]
            if not isinstance(value, _PLAIN):
                event[key] = str(value)[:MAX_LENGTH] if isinstance(value, str) else MASK
    return event


def _place(error: BaseException) -> tuple[str, str]:
    frames = traceback.extract_tb(error.__traceback__)[-3:]
    return type(error).__name__, " < ".join(f"{frame.name}:{frame.lineno}" for frame in reversed(frames))


configure()
