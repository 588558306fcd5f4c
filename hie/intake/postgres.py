"""Connections to PostgreSQL for the journal, by psycopg alone: intake answers first after a crash, and loads no toolkit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from psycopg import Connection

LIMITS = {
    "connect_timeout": "3",
    # a server that vanished without a word is noticed within seconds, also with an answer outstanding
    "keepalives_idle": "2",
    "keepalives_interval": "1",
    "keepalives_count": "3",
    "tcp_user_timeout": "5000",
}
"""What libpq is told unless the URL says otherwise."""
_SESSION = """
SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') <> 'remote_apply';
-- a day that was empty when its statements were planned would else be read whole, as long as the plan is kept
SET enable_seqscan = off;
-- what a plan without a choice is charged for that would have it compiled: a second for a look-up of a millisecond
SET jit = off;
-- no statement_timeout: it would end the wait for a synchronous standby, and call the commit good
-- what an intake that is gone had begun is ended soon, so that its locks are in nobody's way
SELECT set_config(name, '2s', false) FROM pg_settings WHERE name = 'client_connection_check_interval';
SET lock_timeout = '5s'; SET idle_in_transaction_session_timeout = '30s';
"""


def is_postgres(url: str) -> bool:
    return url.startswith("postgresql")


def connect(url: str, *, read_only: bool = False) -> Connection[tuple[Any, ...]]:
    """A connection whose commits are on the disk (and on the synchronous standby, where there is one) when they return.

    `url` as in the settings. Autocommit; statements are prepared at their first use. Raises psycopg.Error.
    """
    import psycopg
    from psycopg.conninfo import conninfo_to_dict, make_conninfo

    given = conninfo_to_dict(url.replace("postgresql+psycopg:", "postgresql:", 1))
    named = make_conninfo("", **{"application_name": "hie journal", **LIMITS, **given})
    connection = psycopg.connect(named, autocommit=True, prepare_threshold=0)
    try:
        connection.execute(_SESSION, prepare=False)
        if read_only:
            connection.execute("SET default_transaction_read_only = on")
    except BaseException:
        connection.close()
        raise
    return connection
