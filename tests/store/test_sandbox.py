"""The sandbox against everything the bundled SQLite lists: functions, modules, pragmas.

A SQLite that brings something new fails here until somebody has judged it.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import apsw
import pytest

from qasino_server.database.answer import Limits, collect
from qasino_server.database.durable import DurableFile
from qasino_server.database.examine import examine
from qasino_server.database.generation import Generation
from qasino_server.database.generation_file import GenerationFile
from qasino_server.database.room import Reserve
from qasino_server.database.sandbox import (
    HARMLESS_FUNCTIONS,
    READABLE_PRAGMAS,
    is_table_function,
)
from qasino_server.database.snapshot import Overlay, Place, SnapshotConnection
from qasino_server.database.words import in_words
from qasino_server.errors import QasinoError
from qasino_server.table import check_columns

MAX_VALUE_BYTES = 1 << 20

JUDGED_HARMFUL = frozenset(
    """
    load_extension sqlite_log fts3_tokenizer
    match matchinfo offsets optimize snippet
    bm25 fts5 fts5_get_locale fts5_insttoken fts5_locale fts5_source_id highlight
    rtreecheck rtreedepth rtreenode
    geopoly_area geopoly_bbox geopoly_blob geopoly_ccw geopoly_contains_point geopoly_debug
    geopoly_group_bbox geopoly_json geopoly_overlap geopoly_regular geopoly_svg geopoly_within
    geopoly_xform
    """.split()
)
OF_OTHER_BUILDS = "edit readfile writefile fsdir sqlite_offset sqlite_dbdata eval regexp".split()
"""Functions of the shell and of other builds."""
JUDGED_MODULES = frozenset(
    """
    dbstat fts3 fts3tokenize fts4 fts4aux fts5 fts5vocab geopoly rtree rtree_i32
    pragma_function_list pragma_module_list
    """.split()
)
READABLE_MODULES = frozenset(
    [
        "json_each",
        "json_tree",
        "jsonb_each",
        "jsonb_tree",
        *(f"pragma_{p}" for p in READABLE_PRAGMAS),
    ]
)
OTHER_MODULES = """
    bytecode carray closure completion csv dbstat fsdir generate_series memstat prefixes series
    spellfix1 sqlite_dbdata sqlite_dbpage sqlite_dbptr sqlite_memstat sqlite_stmt swarmvtab
    tables_used templatevtab transitive_closure unionvtab wholenumber zipfile
""".split()


@pytest.fixture(scope="module")
def on(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SnapshotConnection]:
    """A connection as queries have it, to a snapshot, the one before and static tables."""
    place = tmp_path_factory.mktemp("sandbox")
    for name in ("now", "before"):
        generation = Generation(place / name)
        with generation.transaction:
            generation.write_table("t", check_columns(("a",), ("int",)), [[1]])
        generation.seal()
    static = DurableFile(place / "static", 1 << 20)
    reserve = Reserve(place)
    made = SnapshotConnection(
        Place(
            GenerationFile(place / "now", reserve),
            GenerationFile(place / "before", reserve),
            place / "static",
        ),
        Overlay(0),
        MAX_VALUE_BYTES,
    )
    yield made
    made.close()
    static.close()


def ask(on: SnapshotConnection, sql: str) -> list[tuple[Any, ...]] | str:
    """The rows, or the sentence of the error; as a reader would."""
    try:
        return list(collect(on, examine(on, sql, ()), Limits(100_000, 1 << 24)).rows)
    except QasinoError as error:
        return error.sentence
    except apsw.Error as error:
        return in_words(error, on, sql).sentence


def is_refused(on: SnapshotConnection, sql: str, words: str = "not authorized") -> bool:
    told = ask(on, sql)
    return isinstance(told, str) and words in told


def functions() -> list[tuple[str, int, str]]:
    """Name, number of arguments and kind of every function there is."""
    listed = apsw.Connection(":memory:").execute(
        "SELECT name, narg, type FROM pragma_function_list ORDER BY 1, 2"
    )
    return [(str(name), int(count), str(kind)) for name, count, kind in listed]


def names(sql: str) -> set[str]:
    return {str(name) for (name,) in apsw.Connection(":memory:").execute(sql)}


def test_every_function_has_been_judged() -> None:
    unknown = {name for name, _, _ in functions()} - HARMLESS_FUNCTIONS - JUDGED_HARMFUL
    assert unknown == set(), "harmless? then HARMLESS_FUNCTIONS; else it is refused: say so here"
    assert not HARMLESS_FUNCTIONS & JUDGED_HARMFUL


@pytest.mark.parametrize(("name", "count", "kind"), functions())
def test_a_function_is_harmless_or_refused(
    on: SnapshotConnection, name: str, count: int, kind: str
) -> None:
    """Asked by way of its name in quotes, with as many arguments as it takes."""
    arguments = ", ".join(["1"] * (count if count >= 0 else 2))
    over = " over (order by 1)" if kind == "w" else ""
    told = ask(on, f'select "{name}"({arguments}){over}')
    refused = isinstance(told, str) and told.startswith("not authorized")
    assert refused == (name not in HARMLESS_FUNCTIONS), told


@pytest.mark.parametrize("name", OF_OTHER_BUILDS)
def test_a_function_of_another_build_is_not_there_or_refused(
    on: SnapshotConnection, name: str
) -> None:
    told = ask(on, f"select {name}('x')")
    assert isinstance(told, str)
    assert "no such function" in told or "not authorized" in told


def test_every_module_has_been_judged() -> None:
    listed = names("SELECT name FROM pragma_module_list")
    assert listed - JUDGED_MODULES - READABLE_MODULES == set()


@pytest.mark.parametrize("name", sorted(JUDGED_MODULES | READABLE_MODULES | set(OTHER_MODULES)))
def test_a_module_is_read_if_it_is_one_that_only_tells(on: SnapshotConnection, name: str) -> None:
    for sql in (f"select * from {name}", f"select count(*) from main.{name}", f"table {name}"):
        readable = isinstance(ask(on, sql), list)
        assert not readable or name in READABLE_MODULES, sql
    for given in ("'t'", "'main'", "1, 2", "1, 2, 'int32'", "x'00', 9"):
        told = ask(on, f"select * from {name}({given})")
        assert not isinstance(told, list) or name in READABLE_MODULES, told
    assert is_refused(on, f"create virtual table temp.x using {name}(a)", "")


def test_nobody_publishes_a_table_that_would_hide_a_module() -> None:
    for name in ("dbstat", "carray", "json_each", "pragma_table_info"):
        assert is_table_function(name)


def test_a_name_with_a_statement_in_it_is_only_a_name(
    on: SnapshotConnection, tmp_path: Path
) -> None:
    made = tmp_path / "made.db"
    name = f"sqlite_schema\"\"; ATTACH '{made}' AS made; CREATE TABLE made.t(a); --"
    assert ask(on, f'with "{name}" as (select 1) select count(*) from "{name}"') == [(1,)]
    assert not made.exists()


def test_every_pragma_has_been_judged(on: SnapshotConnection) -> None:
    """As a statement none runs; as a table those that only tell."""
    listed = names("SELECT name FROM pragma_pragma_list")
    assert listed >= READABLE_PRAGMAS
    for name in sorted(listed | {"data_store_directory", "lock_proxy_file", "key", "stats"}):
        for sql in (f"pragma {name}", f"pragma {name} = 1", f"pragma static.{name}(1)"):
            told = ask(on, sql)
            assert isinstance(told, str), sql
        told = ask(on, f"select * from pragma_{name}")
        assert name in READABLE_PRAGMAS or isinstance(told, str), told
    for name in READABLE_PRAGMAS:
        assert "not authorized" not in str(ask(on, f"select * from pragma_{name}('t')")), name


CANNOT = """
attach ':memory:' as x
attach 'file:/tmp/x?mode=rwc' as x
detach prev
vacuum into '/tmp/never'
create temp table x as select 1
create temp view x as select 1
create temp trigger x before insert on main.t begin select 1; end
explain select 1
explain query plan delete from t
reindex
analyze
savepoint x
begin
pragma writable_schema = on
pragma query_only = off
pragma trusted_schema = on
select * from pragma_writable_schema
select * from pragma_query_only(0)
insert into sqlite_schema values (1, 2, 3, 4, 5)
update static.sqlite_schema set sql = ''
delete from temp.qasino_server_views
with x as (select 1) insert into t select * from x
select load_extension('/tmp/x.so')
select "load_extension"('/tmp/x.so')
select * from (select LOAD_EXTENSION('/tmp/x.so'))
select fts3_tokenizer('simple', x'4141414141414141')
select sqlite_log(1, 'x')
select * from t where a match 'x'
select 'a' regexp 'b'
""".strip().split("\n")


@pytest.mark.parametrize("sql", CANNOT)
def test_what_is_not_reading_is_refused(on: SnapshotConnection, sql: str) -> None:
    assert isinstance(ask(on, sql), str)
    assert ask(on, "select a from main.t, static.sqlite_schema limit 1") == [(1,)]
    assert ask(on, "select a from prev.t") == [(1,)]


@pytest.mark.parametrize(
    "sql",
    ["create table temp.x (a)", "delete from qasino_server_views", "insert into main.t values (1)"],
)
def test_nothing_is_written_though_no_authorizer_were_there(
    on: SnapshotConnection, sql: str
) -> None:
    on.connection.authorizer = None
    try:
        with pytest.raises(apsw.ReadOnlyError):
            on.connection.execute(sql)
    finally:
        on.sandbox.close_in()


BOMBS = {
    "zeroblob": "select zeroblob(1000000000)",
    "randomblob": "select length(randomblob(1000000000))",
    "hex of one": "select hex(zeroblob(1000000))",
    "width": "select printf('%2000000000d', 1)",
    "star": "select printf('%.*c', 2000000000, 'x')",
    "format": "select format('%*s', 2147483647, 'x')",
    "precision": "select printf('%.2000000000f', 1.5)",
    "replace": "select replace(replace(hex(zeroblob(500)), '0', hex(zeroblob(900))), '0', 'xxxx')",
    "group_concat": "with recursive c(i) as (select 1 union all select i + 1 from c limit 2000)"
    " select group_concat(hex(zeroblob(999))) from c",
    "string_agg": "with recursive c(i) as (select 1 union all select i + 1 from c limit 2000)"
    " select string_agg(hex(zeroblob(999)), ',') from c",
    "json_group_array": "with recursive c(i) as (select 1 union all select i + 1 from c limit 2000)"
    " select json_group_array(hex(zeroblob(999))) from c",
    "concat": "select concat(hex(zeroblob(300000)), hex(zeroblob(300000)))",
    "||": "select hex(zeroblob(300000)) || hex(zeroblob(300000))",
    "many values": "select " + " || ".join(["printf('%.*c', 300000, 'x')"] * 4),
    "unistr": "select unistr(replace(hex(zeroblob(90000)), '0', '\\u6f22'))",
    "a long pattern": "select 'x' like hex(zeroblob(600))",
    "a long glob": "select 'x' glob hex(zeroblob(600))",
    "nested expressions": f"select {'(' * 5000}1{')' * 5000}",
    "a long sum": f"select {'+'.join('1' * 5000)}",
    "nested selects": f"select * from {'(select * from ' * 500}t{')' * 500}",
    "many terms": f"select 1 {'union select 1 ' * 1000}",
    "many columns": f"select {', '.join('1' * 3000)}",
    "many tables": f"select 1 from {', '.join('t' * 70)}",
    "many arguments": f"select max({', '.join('1' * 2000)})",
    "many variables": "select ?40000",
    "deep JSON": f"select json('{'[' * 2000}{']' * 2000}')",
    "deep JSON made": "with recursive c(j) as (select '1' union all select json_array(json(j))"
    " from c limit 3000) select max(length(j)) from c",
    "nested views of itself": "with recursive a as (select * from a) select * from a",
    "mutual recursion": "with a as (select * from b), b as (select * from a) select * from a",
}


@pytest.mark.parametrize("sql", BOMBS.values(), ids=BOMBS)
def test_what_would_become_too_large_is_an_error(on: SnapshotConnection, sql: str) -> None:
    told = ask(on, sql)
    assert isinstance(told, str), told
    assert ask(on, "select a from t") == [(1,)]


def test_the_schema_of_the_static_tables_is_read_and_no_more(on: SnapshotConnection) -> None:
    assert ask(on, "select name from static.sqlite_schema where type = 'table'") == [
        ("qasino_server_static",)
    ]
    assert isinstance(ask(on, "update static.sqlite_schema set name = 'x'"), str)
    assert is_refused(on, "delete from static.qasino_server_static")
