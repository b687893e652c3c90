"""Views as people wrote them for older servers, and those that can give nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from handed_in import Written

from qasino_server.render import CsvStream


def test_a_misspelt_name_in_double_quotes_is_no_text_but_in_a_view_it_may_be_one(
    bench: Any, tmp_path: Path
) -> None:
    bench.publish("a", "t", "host text", [["web-1"], ["web-2"]])
    bench.rotate()
    (tmp_path / "views.conf").write_text(
        """- {viewname: old, view: 'create view old as select host, "BOS" dc from t'}"""
    )
    for _ in range(2):
        for form in ("typed", "strings", "rows"):
            misspelt = bench.ask("""select count(*) from t where "hots" = 'web-1'""", form=form)
            assert misspelt.sentence.startswith('no such column: "hots" - should this be a string')
            assert misspelt.offset == 29
            assert bench.ask("select dc from old", form=form).nr_rows == 2
        assert bench.rows("""select "host" from t where "host" <> 'web-1'""") == [["web-2"]]
        assert bench.rows("select * from old where dc = 'BOS' limit 1") == [["web-1", "BOS"]]
        assert [name for name, _ in bench.columns("old")] == ["host", "dc"]
        sink = Written()
        assert bench.ask("select dc from old", stream=CsvStream(), sink=sink).nr_rows == 2
        assert sink.text().split() == [b"dc", b"BOS", b"BOS"]


@pytest.mark.parametrize(
    ("sql", "name"),
    [
        ("""select count(*) from old where "hots" = 'web-1'""", "hots"),
        ('select dc, "é" from "old"', "é"),
        ("""select 'a''b"', "dc" as "a""b" from old where "bos" = dc -- "x" """, "bos"),
        ('select /* "a" */ `dc`, [dc] from old union select "BOS", 1', "BOS"),
        ('with v as (select "hots" from t) select dc from old, v', "hots"),
        ('select o."hots" from old o', ""),
    ],
)
def test_a_misspelt_name_is_no_text_beside_a_view_that_has_one(
    bench: Any, tmp_path: Path, sql: str, name: str
) -> None:
    bench.publish("a", "t", "host text", [["web-1"], ["web-2"]])
    bench.rotate()
    (tmp_path / "views.conf").write_text(
        '- viewname: old\n  view: \'create view old(dc, "a`b") as select "BOS", host from t\''
    )
    for form in ("typed", "rows"):
        misspelt = bench.ask(sql, form=form)
        if name:
            assert misspelt.sentence.startswith(f'no such column: "{name}" - should this be a str')
            assert misspelt.offset == sql.index(f'"{name}"')
        else:
            assert misspelt.sentence == "no such column: o.hots"
    assert bench.rows("""select "dc", "a`b" as "c""d" from "old" limit 1""") == [["BOS", "web-1"]]
    asked = bench.ask("""select "dc" || "a`b", "dc" from old""")
    assert asked.column_names == ('"dc" || "a`b"', "dc")


def made(**views: str) -> str:
    """A views file; each is what follows its name in CREATE VIEW."""
    return "".join(
        f"- viewname: {name}\n  view: create view {name}{body}\n" for name, body in views.items()
    )


def faults(bench: Any) -> dict[str, str]:
    sql = "select viewname, errormsg from qasino_server_views where not loaded"
    return dict(bench.rows(sql))


@pytest.fixture
def with_t(bench: Any) -> Any:
    bench.publish("a", "t", "x int, y int", [[1, 2]])
    bench.rotate()
    return bench


def test_a_view_that_can_give_nothing_is_listed_with_what_is_wrong(
    with_t: Any, tmp_path: Path
) -> None:
    (tmp_path / "views.conf").write_text(
        made(
            good=" as select x from t",
            itself=" as select * from itself",
            one=" as select * from other",
            other=" as select * from one",
            short="(a, b) as select x from t",
            wrong=" as select nofn(x) from t",
            late=" as select * from not_yet",
            column=" as select z from t",
            before=" as select * from prev.t",
            refused=" as select * from nowhere.t",
        )
    )
    told = {
        "itself": "view itself is circularly defined",
        "one": "view one is circularly defined",
        "other": "view other is circularly defined",
        "short": "expected 2 columns for 'short' but got 1",
        "wrong": "no such function: nofn",
    }
    for _ in range(2):
        assert faults(with_t) == told
        assert with_t.rows("select * from good") == [[1]]
        assert "circularly" in with_t.refusal("select * from itself")
        with_t.publish("a", "t", "x int, y int", [[1, 2]])
        with_t.rotate()


def test_a_view_is_looked_at_again_where_its_tables_are_others(with_t: Any, tmp_path: Path) -> None:
    (tmp_path / "views.conf").write_text(made(pair="(a, b) as select * from t"))
    assert faults(with_t) == {}
    with_t.publish("a", "t", "x int", [[1]])
    with_t.rotate()
    with_t.publish("a", "t", "x int", [[1]])
    with_t.rotate()
    assert faults(with_t) == {"pair": "expected 2 columns for 'pair' but got 1"}
    with_t.publish("a", "t", "x int, y int", [[1, 2]])
    with_t.rotate()
    assert faults(with_t) == {}
    assert with_t.rows("select * from pair") == [[1, 2]]


def test_a_look_before_all_is_there_is_no_look_at_the_snapshot(with_t: Any, tmp_path: Path) -> None:
    for _ in range(2):
        with_t.rotate()  # so that the table begins anew
    (tmp_path / "views.conf").write_text(made(pair="(a, b) as select * from t"))
    with_t.publish("a", "t", "x int", [[1]])
    assert "expected 2 columns" in with_t.refusal("select * from pair", use_write_db=True)
    with_t.publish("b", "t", "y int", [[2]])
    with_t.rotate()
    assert faults(with_t) == {}
