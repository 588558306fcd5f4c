"""Whether a fail-over of PostgreSQL could lose what was acknowledged."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import Connection, text

from hie.doctor.finding import Finding, fail, ok, warn

_STANDBYS = text("SELECT application_name, state, sync_state FROM pg_stat_replication")


def standbys(connection: Connection, names: str) -> Iterator[Finding]:
    """`names` is the server's synchronous_standby_names."""
    rows = connection.execute(_STANDBYS).all()
    # who may not see the view's columns gets NULL there
    seen = [row for row in rows if row.state is not None]
    following = [row for row in seen if row.state == "streaming"]
    synchronous = [row for row in following if row.sync_state in ("sync", "quorum")]
    if not names.strip():
        text_ = f"no standby is synchronous ({len(rows)} follow): a fail-over could lose what was acknowledged"
        hint = "synchronous_standby_names = 'FIRST 1 (...)'; with one server alone its disk is all there is"
        yield warn("no-synchronous-standby", text_, hint)
    elif rows and not seen:
        hint = "GRANT pg_monitor TO the node's user"
        yield warn("standby-unseen", "the state of the standbys may not be seen by this user", hint)
    elif not synchronous:
        hint = "start the standby, or change synchronous_standby_names knowing what is lost with the primary"
        yield fail("synchronous-standby-away", "the synchronous standby is away: every commit waits for it", hint)
    else:
        yield ok("synchronous-standby", f"{len(synchronous)} synchronous standby follows: a fail-over loses nothing")
