"""The live schema, fetched from a real server with names and values that want quoting."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from wire import Wire

from qasino_cli.catalog import (
    EMPTY,
    Ask,
    Catalog,
    ColumnFact,
    TableFact,
    fetch_catalog,
    fetch_values,
)
from qasino_cli.errors import ServerRefused
from qasino_server.database.sandbox import HARMLESS_FUNCTIONS
from qasino_server.server import Server
from qasino_server.table import Result


def publish(wire: Wire, identity: str, table: dict[str, object], **options: object) -> None:
    wire.http_post("add_table_data", {"identity": identity, "table": table, **options})


HOSTS = {
    "tablename": "order",
    "column_names": ["group", "n"],
    "column_types": ["text", "int"],
    "column_descriptions": ["who they are with", ""],
    "rows": [["it's", 1], ["it's", 2], ["a\nb", 3], ["x" * 200, 4], [None, 5]],
}


@pytest.fixture
def full(server: Server, wire: Wire, tmp_path: Path) -> None:
    (tmp_path / "views.conf").write_text(
        '- viewname: few\n  view: create view few as select n from "order"\n'
        "- viewname: broken\n  view: create view broken as select nothing\n"
    )
    publish(wire, "web-1", HOSTS)
    publish(wire, "web-2", HOSTS)
    publish(wire, "web-1", {**HOSTS, "tablename": "racks"}, static=1)
    server.rotate()


def test_another_number_of_rows_is_nothing_else_to_offer() -> None:
    def catalog(*columns: ColumnFact, name: str = "t", nr_rows: int = 1) -> Catalog:
        return Catalog({name.lower(): TableFact(name, "table", columns, nr_rows)})

    one = catalog(ColumnFact("n", "INTEGER", 1))
    assert one.offers_as(catalog(ColumnFact("n", "INTEGER", 2), nr_rows=2))
    for other in (
        EMPTY,
        catalog(),
        catalog(ColumnFact("n", "TEXT", 1)),
        catalog(ColumnFact("m", "INTEGER", 1)),
        catalog(ColumnFact("n", "INTEGER", 1), name="T"),
    ):
        assert not one.offers_as(other)


def test_the_catalog_has_tables_views_and_functions(ask: Ask, full: None) -> None:
    catalog = fetch_catalog(ask)
    columns = (
        ColumnFact("group", "TEXT", 2),
        ColumnFact("n", "INTEGER", 2),
    )
    assert catalog.table("ORDER") == TableFact("order", "table", columns, 10)
    assert catalog.tables["order"].nr_identities == 2
    assert catalog.tables["few"] == TableFact("few", "view", (ColumnFact("n", "INTEGER"),))
    assert "broken" not in catalog.tables
    assert catalog.tables["racks"].kind == "static"
    assert catalog.tables["qasino_server_info"].kind == "internal"
    assert {"count", "json_extract", "median"} <= set(catalog.functions) <= HARMLESS_FUNCTIONS
    assert catalog.generation_number > 0


def test_a_view_over_a_table_that_nobody_reports_hides_nothing_else(
    ask: Ask, full: None, tmp_path: Path
) -> None:
    with (tmp_path / "views.conf").open("a") as views:
        views.write("- viewname: gone\n  view: create view gone as select a from notyet\n")
    asked: list[str] = []

    def heard(sql: str) -> Result:
        asked.append(sql)
        return ask(sql)

    catalog = fetch_catalog(heard)
    assert catalog.tables["few"] == TableFact("few", "view", (ColumnFact("n", "INTEGER"),))
    assert catalog.tables["gone"] == TableFact("gone", "view")
    assert catalog.tables["order"].columns
    asked_of_a_broken_one = len(asked)
    (tmp_path / "views.conf").write_text("- viewname: v\n  view: create view v as select 1 a\n")
    asked.clear()
    assert fetch_catalog(heard).tables["v"].columns
    assert len(asked) < asked_of_a_broken_one - 2  # where nothing is wrong, none for each view


@pytest.mark.parametrize("row", [(), ("",), ("t", None), ("", None, None), ("t", "c", "TEXT", "1")])
def test_a_server_that_describes_its_tables_otherwise_is_refused(row: tuple[object, ...]) -> None:
    result = Result(column_names=("a",), column_types=("",), nr_rows=1, rows=[row])
    with pytest.raises(ServerRefused, match="the server describes its tables in another way: "):
        fetch_catalog(lambda sql: result)


def test_an_empty_server_has_its_own_tables(ask: Ask) -> None:
    assert {table.kind for table in fetch_catalog(ask).tables.values()} == {"internal"}


def test_the_commonest_values_come_first_as_literals(ask: Ask, full: None) -> None:
    assert fetch_values(ask, "order", "group") == ("'it''s'", "'a\nb'")
    assert fetch_values(ask, "order", "n") == ("1", "2", "3", "4", "5")


def test_an_infinity_which_has_no_literal_is_no_value(ask: Ask, server: Server, wire: Wire) -> None:
    wire.publish("web-1", "odd", ["x"], ["real"], [[1.5], [1.5], [None]])
    wire.http_post(
        "add_table_data",
        b'{"identity":"web-2","table":{"tablename":"odd","column_names":["x"],'
        b'"column_types":["real"],"rows":[[1e999],[-1e999]]}}',
    )
    server.rotate()
    assert wire.rows("select count(*) from odd where abs(x) > 1e308") == [[2]]
    assert fetch_values(ask, "odd", "x") == ("1.5",)


def test_no_more_than_twenty_values_are_fetched(ask: Ask, server: Server, wire: Wire) -> None:
    publish(wire, "web-1", HOSTS | {"rows": [["x", n] for n in range(25)]})
    server.rotate()
    assert fetch_values(ask, "order", "n") == tuple(map(str, range(20)))


def test_what_nobody_is_shown_is_not_fetched(ask: Ask, full: None) -> None:
    columns: list[str] = []

    def heard(sql: str) -> Result:
        result = ask(sql)
        columns.extend(result.column_names)
        return result

    fetch_catalog(heard)
    assert "column_name" in columns
    assert "description" not in columns


@pytest.mark.parametrize("name", ["none", 'x" union select 1 --', "; drop table t"])
def test_a_name_that_is_none_is_an_error_and_nothing_else(
    ask: Callable[[str], object], name: str
) -> None:
    with pytest.raises(ServerRefused, match="no such table"):
        fetch_values(ask, name, "a")  # type: ignore[arg-type]


def test_without_a_server_nothing_is_known() -> None:
    assert EMPTY.table("x") is None
    assert EMPTY.columns_by_name == {}
