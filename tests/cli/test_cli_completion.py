"""What completion offers at a cursor (`|`), and what it never does."""

from __future__ import annotations

import cProfile
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from qasino_cli.catalog import Catalog, ColumnFact, TableFact
from qasino_cli.names import Names, fit
from qasino_cli.places import paths_beginning
from qasino_cli.sql.completion import Candidate, complete
from qasino_cli.sql.completion.commands import _OPTIONS as offered_options
from qasino_cli.sql.repl.commands import _OPTIONS as set_options

HOSTS = TableFact(
    "hosts",
    "table",
    (
        ColumnFact("host", "TEXT", 12),
        ColumnFact("dc", "TEXT", 12),
        ColumnFact("free_mb", "INTEGER", 12),
        ColumnFact("order", "INTEGER", 1),
    ),
    120,
)
DISKS = TableFact(
    "disks",
    "table",
    (
        ColumnFact("host", "TEXT", 3),
        ColumnFact("device", "TEXT", 3),
        ColumnFact("used_pct", "REAL", 3),
    ),
    9,
)
BUSY = TableFact("busy", "view", (ColumnFact("host", "TEXT"), ColumnFact("load", "")))
INFO = TableFact("qasino_server_info", "internal", (ColumnFact("generation_number", "INTEGER", 1),))
ODD = TableFact("group", "table", (ColumnFact("a", "TEXT", 1),), 1)
CATALOG = Catalog(
    tables={t.name: t for t in (HOSTS, DISKS, BUSY, INFO, ODD)},
    functions=("count", "coalesce", "max", "min", "nullif"),
    generation_number=7,
)
COMMANDS = {"\\d": "describe", "\\dt": "tables", "\\format": "choose a format", "\\run": "run"}
VALUES = {
    ("hosts", "dc"): ["'BOS'", "'NYC'", "'it''s'"],
    ("hosts", "free_mb"): ["1024", "7"],
    ("disks", "device"): ["'\u202esda'", "'a\nb'", "''", "x'00'"],
}


def offered(marked: str) -> list[Candidate]:
    """The candidates at the `|` of a text."""
    text, _, rest = marked.partition("|")
    return complete(
        text + rest,
        len(text),
        CATALOG,
        lambda table, column: VALUES.get((table, column)),
        COMMANDS,
        saved=lambda: ("fullest", "slow"),
        formats=("csv", "table", "tsv"),
    )


def texts(marked: str) -> list[str]:
    return [candidate.text for candidate in offered(marked)]


@pytest.mark.parametrize(
    ("marked", "first"),
    [
        # tables and views
        ("select * from |", ["hosts", "disks", "busy", '"group"', "qasino_server_info", "prev"]),
        ("select * from h|", ["hosts"]),
        ("select * from di|", ["disks"]),
        ("select * from grp|", ['"group"']),
        ("select * from hosts join d|", ["disks"]),
        ("select * from hosts, d|", ["disks"]),
        ("select * from prev.|", ["hosts", "disks"]),
        ("select * from main.d|", ["disks"]),
        ("select * from (|", ["hosts"]),
        ("SELECT * FROM hosts WH|", ["WHERE"]),
        # columns, FROM on either side
        ("select | from hosts", ["host", "dc", "free_mb", '"order"']),
        ("select fr| from hosts", ["free_mb"]),
        ("select mb| from hosts", ["free_mb"]),
        ("select fmb| from hosts", ["free_mb"]),
        ("select host, | from hosts", ["host", "dc"]),
        ("select * from hosts where d|", ["dc"]),
        ("select * from hosts order by f|", ["free_mb"]),
        ("select count(d|) from hosts", ["dc"]),
        ("select f|\nfrom hosts\nwhere 1", ["free_mb"]),
        # aliases
        ("select h.| from hosts h", ["host", "dc", "free_mb", '"order"']),
        ("select x.d| from hosts as x", ["dc"]),
        ("select d.| from hosts h join disks d", ["host", "device", "used_pct"]),
        ("select hosts.f| from hosts", ["free_mb"]),
        ('select "h".| from hosts "h"', ["host"]),
        ("select host x| from hosts", []),
        ("select p.u| from prev.disks p", ["used_pct"]),
        # ambiguous columns are told apart
        ("select hos| from hosts h join disks d", ["h.host", "d.host"]),
        # joins
        ("select * from hosts h join disks d on |", ["h.host = d.host"]),
        ("select * from hosts h join disks d using (|", ["host"]),
        ("select * from hosts h join disks d using (|)", ["host"]),
        # subqueries and common table expressions
        ("select s.| from (select host, max(free_mb) as m from hosts) s", ["host", "m"]),
        ("select s.| from (select * from disks) as s", ["host", "device", "used_pct"]),
        (
            "select s.| from (select d.*, 1 one from disks d) s",
            ["host", "device", "used_pct", "one"],
        ),
        ("with w as (select dc from hosts) select | from w", ["dc"]),
        ("with w(a, b) as (select 1, 2) select w.| from w", ["a", "b"]),
        ("with w as (select 1 one) select * from w|", ["w"]),
        ("with a as (select dc from hosts), b as (select * from a) select b.| from b", ["dc"]),
        ("select * from hosts h where exists (select 1 from disks d where d.host = h.|)", ["host"]),
        ("select * from hosts where host in (select de| from disks)", ["device"]),
        ("select host from disks union select d| from hosts", ["dc"]),
        # parentheses around what is joined
        ("select d.| from (disks d join hosts using (host))", ["host", "device", "used_pct"]),
        ("select h.f| from ((hosts h), (disks))", ["free_mb"]),
        ("select * from (hosts h join disks d on |", ["h.host = d.host"]),
        # what a subquery does not see
        ("with a as (select us| from hosts) select * from a join disks", ["using"]),
        ("with a as (select 1), b as (select de|) select * from disks", ["device"]),
        ("with a as (select 1 x), b as (select x| from a) select * from b", ["x"]),
        ("select (select us|) from disks", ["used_pct"]),
        ("select * from disks d where 1 in (select d.de| from hosts)", ["device"]),
        ("select * from disks d, json_each((select d.de|))", ["device"]),
        ("select * from disks d, json_each(d.de|)", ["device"]),
        ("select * from hosts h join disks d on h.host = (select d.de|)", ["device"]),
        ("explain query plan with a as (select dc from hosts) select | from a", ["dc"]),
        # aliases of the select list
        ("select dc place from hosts order by pl|", ["place"]),
        # no FROM yet
        ("select used|", ["used_pct"]),
        # parentheses of an expression, which may not be closed yet
        ("select max(|", ["host", "dc", "free_mb"]),
        ("select max(used|", ["used_pct"]),
        ("select coalesce(max(used|", ["used_pct"]),
        ("select max(used|)", ["used_pct"]),
        ("select max(us| from disks", ["used_pct"]),
        ("select max(| from disks", ["host", "device", "used_pct"]),
        ("select coalesce(max(us| from disks where host in ('a') and 1", ["used_pct"]),
        ("select max(used_pct from disks where de|", ["device"]),
        ("select max(d.| from disks d", ["host", "device", "used_pct"]),
        ("select * from (select max(us| from disks) s join hosts", ["used_pct"]),
        ("select * from (select max(used_pct from disks) s join ho|", ["hosts"]),
        ("select max(host is distinct from de|) from disks", ["device"]),
        ("select max(host is not distinct from 'a', de| from disks", ["device"]),
        ("select * from disks where (us|", ["used_pct"]),
        ("select dc place from hosts order by lower(pl|", ["place"]),
        # functions and keywords
        ("select coal| from hosts", ["coalesce("]),
        ("sel|", ["select"]),
        ("SEL|", ["SELECT"]),
        ("select 1 f|", ["from"]),
        # several statements
        ("select 1 from disks; select d| from hosts; select 2", ["dc"]),
        # ours
        ("show |", ["tables", "info", "connections", "views", "queries"]),
        ("desc h|", ["hosts"]),
        ("desc view |", ["busy"]),
        ("set |", ["use_write_db = true"]),
        # literal values
        ("select * from hosts where dc = '|", ["'BOS'", "'NYC'", "'it''s'"]),
        ("select * from hosts where dc = 'N|", ["'NYC'"]),
        ("select * from hosts where dc = |", ["'BOS'"]),
        ("select * from hosts where dc in ('|", ["'BOS'"]),
        ("select * from hosts where dc in ('BOS', '|", ["'BOS'", "'NYC'"]),
        ("select * from hosts x where x.dc like 'B|", ["'BOS'"]),
        ("select * from hosts where free_mb > |", ["1024", "7"]),
        ("select * from hosts where dc not in ('N|", ["'NYC'"]),
        ("select * from hosts where dc is not 'N|", ["'NYC'"]),
        ("select * from hosts where dc = '|'", ["'BOS", "'NYC", "'it''s"]),
        ("select * from hosts where dc = 'N|' or 1", ["'NYC"]),
        ("select * from hosts where dc = 'N| and host = 'x'", ["'NYC'"]),
        # what stands behind IS mostly
        ("select * from hosts where dc is |", ["null", "not", "'BOS'"]),
        ("select * from hosts where dc is n|", ["null", "not", "'NYC'"]),
        ("select * from hosts where dc is nul|", ["null", "nullif("]),
        ("select * from hosts where dc is B|", ["'BOS'"]),
        ("select * from hosts where dc is not |", ["null", "'BOS'"]),
        ("SELECT * FROM hosts WHERE dc IS NOT N|", ["NULL", "'NYC'"]),
        ("select dc is nu| from hosts", ["null"]),
        # what two words of a keyword need no more
        ("select * from hosts left j|", ["join"]),
        ("select * from hosts order b|", ["by"]),
        ("select * from hosts GROUP B|", ["BY"]),
        ("select * from hosts o|", ["on", "order by"]),
        # names in quotes
        ('select "fr|', ["free_mb"]),
        ('select "fr|" from hosts', ["free_mb"]),
        ("select [fr|] from hosts", ["free_mb"]),
        ('select "ord|" from hosts', ["order"]),
        ('select * from "gro|"', ["group"]),
        # commands
        ("\\|", ["\\d", "\\dt", "\\format", "\\run"]),
        ("\\d h|", ["hosts"]),
        ("\\dv |", ["busy"]),
        ("\\d+ h|", ["hosts"]),
        ("\\dt+ h|", ["hosts"]),
        ("\\dt prev.h|", ["hosts"]),
        ("\\d main.|", ["hosts"]),
        ('\\d "h|', ['hosts"']),
        ('\\d Prev."h|"', ["hosts"]),
        ("\\d [h|", ["hosts]"]),
        ("desc prev.h|", ["hosts"]),
        ("describe main.|", ["hosts", "disks"]),
        ("\\format c|", ["csv"]),
        ("\\pset |", ["format", "expanded", "tuples_only", "pager", "null"]),
        ("\\pset t|", ["tuples_only"]),
        ("\\pset format t|", ["tsv", "table"]),
        ("\\pset expanded a|", ["auto"]),
        ("\\pset tuples_only |", ["on", "off"]),
        ("\\pset pager |", ["on", "off"]),
        ("\\pset null |", []),
        ("\\run f|", ["fullest"]),
        ("select 1 \\|", ["\\d", "\\dt", "\\format", "\\run"]),
        ("select 1 \\d h|", ["hosts"]),
        ("\\x\nselect host from ho|", ["hosts"]),
    ],
)
def test_the_likeliest_come_first(marked: str, first: list[str]) -> None:
    assert texts(marked)[: len(first)] == first


@pytest.mark.parametrize(
    "marked",
    [
        "select 1 -- fro|",
        "select 1 /* ho|",
        "select /* ho| */ 1",
        "select 'ho|",
        "select * from hosts where host = 'x|",
        "select 12|",
        "kill |",
        "\\i |",
        "select * from disks d, (select d.| from hosts)",
        "select * from disks d, ((select d.de| from hosts) x)",
        "select * from (hosts h join (select h.| from disks) d)",
        "with a as (select d.de| from hosts) select * from disks d, a",
        "select * from main.bu|",
    ],
)
def test_nothing_is_offered_where_nothing_can_be_known(marked: str) -> None:
    assert texts(marked) == []


@pytest.mark.parametrize(
    ("marked", "all_of_them"),
    [
        ("set |", ["use_write_db = true", "use_write_db = false"]),
        ("set u|", ["use_write_db = true", "use_write_db = false"]),
        ("set use_write_db |", []),
        ("set use_write_db = |", ["true", "false"]),
        ("set use_write_db = t|", ["true"]),
        ("SET use_write_db=f|", ["false"]),
        ("set use_write_db = true |", []),
    ],
)
def test_set_is_completed_by_what_is_still_missing(marked: str, all_of_them: list[str]) -> None:
    assert texts(marked) == all_of_them


@pytest.mark.parametrize(
    "begun", ["left", "right", "full", "inner", "cross", "left outer", "group", "order"]
)
@pytest.mark.parametrize("typed", ["j", "l", "o", "b"])
def test_no_keyword_of_two_words_is_offered_behind_the_first_of_one(begun: str, typed: str) -> None:
    assert not [text for text in texts(f"select * from hosts h {begun} {typed}|") if " " in text]


@pytest.mark.parametrize("command", ["\\i", "\\o", "\\e", "select 1 \\g", "select 1 \\gx"])
def test_files_are_completed_where_one_is_to_be_named(tmp_path: Path, command: str) -> None:
    (tmp_path / "queries").mkdir()
    (tmp_path / "my own").mkdir()
    for name in ("queries.sql", "quick one.sql", ".hidden", "other", "my own/one.sql"):
        (tmp_path / name).touch()

    def paths(typed: str, behind: str = "") -> list[str]:
        text = f"{command} {typed}"
        found = complete(
            text + behind, len(text), CATALOG, lambda t, c: None, paths=paths_beginning
        )
        assert {candidate.start for candidate in found} <= {-len(typed)}
        return [candidate.text.removeprefix(f"{tmp_path}/") for candidate in found]

    assert paths(f"{tmp_path}/qu") == ["queries/", "queries.sql", f"'{tmp_path}/quick one.sql'"]
    assert ".hidden" not in paths(f"{tmp_path}/")
    assert paths(f"{tmp_path}/.h") == [".hidden"]
    for quote in ("'", '"'):
        assert paths(f"{quote}{tmp_path}/ot") == [f"{quote}{tmp_path}/other{quote}"]
        assert paths(f"{quote}{tmp_path}/ot", quote) == [f"{quote}{tmp_path}/other"]
        assert paths(f"{quote}{tmp_path}/que") == [
            f"{quote}{tmp_path}/queries/",
            f"{quote}{tmp_path}/queries.sql{quote}",
        ]
    assert paths(f"{tmp_path}/my") == [f"'{tmp_path}/my own/"]
    assert paths(f"'{tmp_path}/my own/o") == [f"'{tmp_path}/my own/one.sql'"]
    assert paths(f"{tmp_path}/none/x") == paths("~nosuchuser/") == paths("| so") == []


def test_the_options_that_are_completed_are_those_that_can_be_set() -> None:
    assert set(offered_options) == {"null", *set_options}


def test_the_file_of_saved_queries_is_read_where_one_is_to_be_named_alone() -> None:
    read: list[str] = []

    def names() -> list[str]:
        read.append("once")
        return ["fullest"]

    for text in ("select ", "select * from hosts where dc = ", "\\d h", "\\run"):
        complete(text, len(text), CATALOG, lambda t, c: None, COMMANDS, names)
    assert read == []
    found = complete("\\run f", 6, CATALOG, lambda t, c: None, COMMANDS, names)
    assert ([candidate.text for candidate in found], read) == (["fullest"], ["once"])


def test_sql_goes_on_behind_what_mysql_ends_a_statement_with() -> None:
    assert texts("select 1 \\G select h| from hosts")[0] == "host"
    assert texts("select a from hosts \\G select a from disks where dev|")[0] == "device"
    assert texts("select a.| from hosts a \\G select 1 from disks a")[0] == "host"
    assert "select" in texts("select 1 \\G |")
    assert texts("select 1 \\G|") == []


def test_what_is_beside_a_name_tells_its_type_its_table_and_who_reports_it() -> None:
    metas = {c.text: c.meta for c in offered("select | from hosts")}
    assert metas["free_mb"] == "INTEGER · hosts · 12 identities"
    assert metas['"order"'] == "INTEGER · hosts · 1 identity"
    tables = {c.text: c.meta for c in offered("select * from |")}
    assert tables["hosts"] == "table · 12 identities · 120 rows"
    assert tables["busy"] == "view"


def test_a_value_is_shown_as_it_is_and_steers_no_terminal() -> None:
    assert [c.display for c in offered("select * from hosts where dc = '|")] == [
        "BOS",
        "NYC",
        "it's",
    ]
    shown = [candidate.display for candidate in offered("select * from disks where device = |")]
    assert shown[:4] == ["\\u202esda", "a\\nb", "''", "x'00'"]


def test_a_candidate_replaces_what_was_typed() -> None:
    candidate = offered("select * from hosts where dc = 'NY|'")[0]
    assert (candidate.text, candidate.start) == ("'NYC", -3)  # its ' follows
    candidate = offered('select "fre|" from hosts')[0]
    assert (candidate.text, candidate.start) == ("free_mb", -3)
    candidate = offered("select * from hosts where dc = 'NY|")[0]
    assert (candidate.text, candidate.start) == ("'NYC'", -3)


@pytest.mark.parametrize("marked", ['select "|" from hosts', 'select "c|', "select [co|", "`se|`"])
def test_in_quotes_there_are_names_alone(marked: str) -> None:
    assert not {candidate.kind for candidate in offered(marked)} & {"function", "keyword"}


def _many_tables() -> Catalog:
    kinds = ("table", "view", "internal", "static")
    names = [f"{'ab'[n % 2] * (n % 7)}_{'xyz'[n % 3]}{n}" for n in range(400)]
    facts = [TableFact(name, kinds[n % 4], HOSTS.columns, n) for n, name in enumerate(names)]
    return Catalog(tables={fact.name: fact for fact in facts})


@pytest.mark.parametrize("typed", ["", "a", "aa_", "x3", "ay1", "bbz", "q"])
@pytest.mark.parametrize("before", ["select * from ", "select * from prev.", "\\dv ", "desc "])
def test_of_many_tables_those_are_offered_that_rank_first_of_all(before: str, typed: str) -> None:
    known = _many_tables()
    ranks = [
        (rank, table.kind == "internal", 0 if typed else place, len(table.name), table.name)
        for place, table in enumerate(known.tables.values())
        if (rank := fit(typed, table.name)) is not None
        and (table.kind != "view" or before != "select * from prev.")
        and (table.kind == "view" or before != "\\dv ")
    ]
    best = sorted(ranks)[:50]
    text = before + typed
    found = complete(text, len(text), known, lambda t, c: None, COMMANDS)
    tables = [candidate.text for candidate in found if candidate.kind in ("table", "view")]
    assert tables == [entry[-1] for entry in best][: len(tables)]
    assert len(tables) >= len(best) - 2  # `prev`, `select` and `view` may stand among them


@pytest.mark.parametrize("typed", ["", "a", "aa_", "x3", "ay1", "bbz"])
@pytest.mark.parametrize("marked", ["select w.| from wide w", "select | from wide"])
def test_of_many_columns_those_are_offered_that_rank_first_of_all(marked: str, typed: str) -> None:
    names = [table.name for table in _many_tables().tables.values()]
    wide = TableFact("wide", "table", tuple(ColumnFact(name) for name in names))
    ranks = [
        (rank, 0 if typed else place, len(name), name)
        for place, name in enumerate(names)
        if (rank := fit(typed, name)) is not None
    ]
    best = [name for *_, name in sorted(ranks)[:50]]
    before, _, after = marked.partition("|")
    text = before + typed
    found = complete(text + after, len(text), Catalog({"wide": wide}), lambda t, c: None)
    columns = [candidate.text for candidate in found if candidate.kind == "column"]
    assert columns == best[: len(columns)]
    assert len(columns) >= min(len(best), 40)  # keywords may stand among them


LETTERS = st.text(alphabet="ab_", max_size=5)


@given(st.lists(st.text(alphabet="ab_\n.*", max_size=7)), LETTERS | st.just("a\nb"))
def test_names_searched_as_one_text_are_those_that_each_alone_would_fit(
    names: list[str], typed: str
) -> None:
    fitting = [
        (rank, len(name), name)
        for name in {name for name in names if "\n" not in name}
        if (rank := fit(typed, name)) is not None
    ]
    best = [(rank, name) for rank, _, name in sorted(fitting)][:4]
    assert Names(names).search(typed, 4) == best


def test_a_column_of_several_tables_says_so_before_there_is_a_from() -> None:
    assert offered("select hos|")[0].meta == "TEXT · hosts and 2 more · 12 identities"


@given(
    st.text(alphabet="selct from,()'\"`[]\\.;-*/=hostdikw\n\x00é💡", max_size=200),
    st.integers(0, 200),
)
@example("select * from (((((((((", 20)
@example("with with with (", 16)
@example("select ..... from hosts.", 24)
def test_no_text_makes_it_fail(text: str, cursor: int) -> None:
    for candidate in complete(text, cursor, CATALOG, lambda t, c: ["'x'"], COMMANDS):
        assert candidate.text
        assert -cursor <= candidate.start <= 0


SQL_WORDS = st.sampled_from(
    ["select", "from", "hosts", "h", ".", ",", "(", ")", "join", "on", "using", "where", "=", "'",
     "with", "as", "union", "order", "by", "in", "dc", ";", "*", "show", "desc", '"']
)  # fmt: skip


@given(st.lists(SQL_WORDS, max_size=40), st.integers(0, 300))
def test_no_statement_makes_it_fail(words: Sequence[str], cursor: int) -> None:
    complete(" ".join(words), cursor, CATALOG, lambda t, c: None, COMMANDS)
    complete("".join(words), cursor, CATALOG, lambda t, c: None, COMMANDS)


def test_parentheses_without_end_are_each_looked_at_once() -> None:
    def steps(depth: int) -> int:
        """Calls of functions that it takes."""
        text, profile = "(" * depth + "a", cProfile.Profile()
        profile.runcall(complete, text, len(text), CATALOG, lambda table, column: None)
        return sum(entry.callcount for entry in profile.getstats())

    steps(10)  # what is done once only
    assert steps(1600) < 6 * steps(400)


def test_deep_nesting_is_read() -> None:
    text = "select * from " + "(select * from " * 3000
    assert complete(text, len(text), CATALOG, lambda t, c: None)[0].text == "hosts"
