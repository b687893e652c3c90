"""Questions beside those somebody asks, and what becomes of those nobody waits for any more."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from wire import Wire, until

from qasino_cli.client import cancel_query
from qasino_cli.connection import Connection
from qasino_cli.errors import ServerRefused, Unanswered
from qasino_cli.sql import cancelling
from qasino_cli.sql import session as session_room
from qasino_cli.sql.asides import Asides
from qasino_cli.sql.repl.live import Live
from qasino_cli.sql.session import Session
from qasino_server.message import Query
from qasino_server.server import Server

ENDLESS = "with recursive c(n) as (select 1 union all select n + 1 from c) select max(n) v from c"


def connection(server: Server, timeout_s: float = 10.0) -> Connection:
    return Connection(host="127.0.0.1", port=server.ports["zmq"], timeout_s=timeout_s)


def running(wire: Wire) -> bool:
    return any("recursive" in str(row) for row in wire.rows("show queries"))


@contextmanager
def following(server: Server, timeout_s: float) -> Iterator[Live]:
    live = Live(connection(server, timeout_s), lambda values: None)
    live.start()
    try:
        yield live
    finally:
        live.stop()
        assert live.join(10)


def test_an_aside_that_takes_too_long_is_cancelled_on_the_server(
    server: Server, wire: Wire
) -> None:
    with pytest.raises(Unanswered):
        Asides(connection(server, timeout_s=0.3)).ask(ENDLESS)
    until(lambda: not running(wire))  # long before --query-timeout ends it


def test_an_aside_that_is_interrupted_is_cancelled_on_the_server(
    server: Server, wire: Wire
) -> None:
    asked_by = threading.get_ident()

    def interrupt() -> None:
        until(lambda: running(wire))
        signal.pthread_kill(asked_by, signal.SIGINT)

    interrupting = threading.Thread(target=interrupt)
    interrupting.start()
    with pytest.raises(KeyboardInterrupt):
        Asides(connection(server)).ask(ENDLESS)
    interrupting.join()
    until(lambda: not running(wire), within_s=1)


def test_values_that_take_too_long_are_given_up_and_the_server_is_not_lost(
    server: Server, wire: Wire, tmp_path: Path
) -> None:
    (tmp_path / "views.conf").write_text(
        f"- viewname: slow\n  view: create view slow as {ENDLESS}\n"
        "- viewname: quick\n  view: create view quick as select 'x' v\n"
    )
    with following(server, timeout_s=0.5) as live:
        until(lambda: live.catalog.table("slow"))
        until(lambda: live.values_of("slow", "v") is not None)
        assert live.values_of("slow", "v") == ()
        assert live.status.trouble is None
        until(lambda: live.values_of("quick", "v") == ("'x'",))
        until(lambda: not running(wire))


def test_a_stream_that_is_hung_up_on_counts_as_cancelled_where_the_server_knows_it_no_more(
    server: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    """It notices who hangs up, often before it is told to cancel."""
    over_http = Connection(scheme="http", host="127.0.0.1", port=server.ports["http"])
    with Session(over_http) as session:
        chunks = session.stream("select 1", "tsv")
        assert chunks is not None
        next(chunks)
        with pytest.raises(KeyboardInterrupt):
            chunks.throw(KeyboardInterrupt)  # type: ignore[attr-defined]
    assert "could not be" not in capsys.readouterr().err


def test_who_ends_at_once_after_an_interruption_still_has_it_told(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else the thread that tells the server ends with the process."""
    closes, told = threading.Event(), threading.Event()

    def cancel_slowly(*asked: Any) -> None:
        closes.wait(10)
        with suppress(ServerRefused):  # no query of that id runs
            cancel_query(*asked)
        told.set()

    monkeypatch.setattr(session_room, "CANCEL_PATIENCE_S", 0)
    monkeypatch.setattr(cancelling, "cancel_query", cancel_slowly)
    with Session(connection(server)) as session:
        session._cancel(Query(sql=ENDLESS, query_id="mine"))
        close = session._client.close
        monkeypatch.setattr(session._client, "close", lambda: [close(), closes.set()])
    assert told.is_set()
