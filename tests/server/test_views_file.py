"""The views file over every port: what it says counts for the next query, memory or not."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from wire import Wire

CHANGES = 20
Ask = Callable[[Wire, str], str]


def over_http(wire: Wire, sql: str) -> str:
    return str(wire.query(sql)["table"]["rows"])


def over_zmq(wire: Wire, sql: str) -> str:
    return str(json.loads(wire.zmq_request({"op": "query", "sql": sql})[0])["table"]["rows"])


def over_line(wire: Wire, sql: str) -> str:
    return wire.line(f"{sql};")


@pytest.mark.parametrize("ask", [over_http, over_zmq, over_line])
def test_a_changed_view_counts_for_the_next_query(wire: Wire, tmp_path: Path, ask: Ask) -> None:
    for n in range(CHANGES):
        view = f"create view v as select 'change {n}!' as x"
        (tmp_path / "views.conf").write_text(f"- viewname: v\n  view: {view}{' ' * n}\n")
        for _ in range(2):
            assert f"change {n}!" in ask(wire, "select x from v")
