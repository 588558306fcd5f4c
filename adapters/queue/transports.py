"""Which of kombu's transports may carry messages, which must not, and why.

A transport is safe on the way in where a message that was not acknowledged comes back after a crash, and on the way out
where the broker's answer says that it has the message. The reasons stand here as they are told by `hie check`; those
of the refused ones come from killing workers and from reading what each transport does.
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import Final, NamedTuple


class Transport(NamedTuple):
    """One that may be used. `extra` is the pip extra of kombu it needs and `needs` the module that brings."""

    kombu: str
    extra: str = ""
    needs: str = ""
    not_in: str = ""
    """Why it cannot be a source, "" where it can."""
    not_out: str = ""
    """Why it cannot be a sink, "" where it can."""
    one_at_a_time: bool = False
    """Whether an acknowledgement also acknowledges whatever else was handed out."""

    @property
    def amqp(self) -> bool:
        return self.kombu == "pyamqp"


SAFE: Final = {
    "amqp": Transport("pyamqp"),
    "amqps": Transport("pyamqp"),
    "sqs": Transport("SQS", "sqs", "boto3"),
    "azureservicebus": Transport("azureservicebus", "azureservicebus", "azure.servicebus"),
    "kafka": Transport(
        "confluentkafka",
        "confluentkafka",
        "confluent_kafka",
        not_out="kombu does not tell whether Kafka has taken a message",
        one_at_a_time=True,
    ),
}
_LOSES = "loses the message in hand when a worker is killed"
_DELETES = "deletes a message before it is stored here"
UNSAFE: Final = {
    "memory": "keeps messages in the memory of one process: they end with it",
    "filesystem": _LOSES,
    "sqlalchemy": _LOSES,
    "sqla": _LOSES,
    "redis": "brings a message back late and out of order when a worker is killed",
    "rediss": "brings a message back late and out of order when a worker is killed",
    "sentinel": "brings a message back late and out of order when a worker is killed",
    "mongodb": _DELETES,
    "azurestoragequeues": _DELETES,
    "consul": _DELETES,
    "etcd": _DELETES,
    "zookeeper": _DELETES,
}


def of(scheme: str, way: str) -> Transport:
    """The transport of a URL's scheme for one way, `in` or `out`. Raises ValueError with the reason where it is refused."""
    if scheme.partition("+")[0] in UNSAFE:
        raise ValueError(
            f"{scheme}:// is not safe: it {UNSAFE[scheme.partition('+')[0]]}; use amqps:// with a quorum queue"
        )
    found = SAFE.get(scheme)
    if found is None:
        raise ValueError(
            f"{scheme}:// is refused: nobody has shown that it keeps a message through a crash; "
            f"one of {', '.join(f'{name}://' for name in SAFE)}"
        )
    if reason := found.not_in if way == "in" else found.not_out:
        raise ValueError(f"{scheme}:// cannot be used here: {reason}")
    if found.needs and not _installed(found.needs):
        raise ValueError(f"{scheme}:// needs a package that is not installed: pip install 'kombu[{found.extra}]'")
    return found


def _installed(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:
        return False
