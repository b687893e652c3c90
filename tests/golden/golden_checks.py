"""What an answer of ours may be held against: the recording, or what a rule puts in its place.

Comparing with the recording leaves out what no two recordings share: the order of JSON keys,
epochs, datetimes and generation numbers (by the name of their column or key), the spelling of
declared types (rule 5), the newline after an error told as text, and keys the ancestor did not
have. An error that the ancestor sent with status 200 has status 400.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import apsw
from golden_replay import IDENTITY, Answer, Case

Check = Callable[[Answer, Case], None]
Table = tuple[list[str], list[list[str]]]

ADDITIONS = {
    "ok": {"applied", "generation_number", "nr_rows", "message"},
    "error": {"error_status", "error_offset", "error_hint"},
    "result_table": {
        *("max_widths", "generation_number", "generation_age_s", "elapsed_s", "truncated"),
    },
    "tables_list": set(),
}
"""The keys that our answers have beyond the ancestor's, by response_op."""

_TYPES = {"int": "INTEGER", "text": "TEXT", "varchar": "TEXT", "real": "REAL"}
_EPOCH_KEYS = {"generation_number", "generation_start_epoch", "last_update_epoch"}
_EPOCH = re.compile(r"\d{10}(\.\d+)?")
_DATETIME = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} UTC")
_SEED_TABLES = ("connections", "info", "sql_stats", "tables", "update_stats", "views")
_OUR_TABLES = ("columns", "missing", "ports", "rejects", "sources")
INTERNAL_TABLES = sorted(f"qasino_server_{name}" for name in (*_SEED_TABLES, *_OUR_TABLES))


# --- Reading ------------------------------------------------------------------------------------


def documents(text: str) -> list[Any]:
    """The JSON documents of a body, one after another."""
    decoder, found, place = json.JSONDecoder(), [], 0
    while place < len(text):
        document, place = decoder.raw_decode(text, place)
        found.append(document)
        while text[place : place + 1].isspace():
            place += 1
    return found


def document(answer: Answer) -> dict[str, Any]:
    """The one JSON document of an answer."""
    [part] = answer.parts
    [found] = documents(part)
    assert isinstance(found, dict)
    return found


def is_table(text: str) -> bool:
    """Whether a text is a text table."""
    return re.search(r"^\d+ rows returned\r?\n\Z", text, re.MULTILINE) is not None


def read_table(text: str) -> Table:
    """A text table: right-aligned, two blanks between columns, no wider than it must be."""
    head, rule, *lines, count, end = re.split(r"\r?\n", text)
    widths = [len(run) for run in rule.split("  ")]
    assert rule == "  ".join("=" * width for width in widths)
    assert (count, end) == (f"{len(lines)} rows returned", "")
    cells = [_cut(line, widths) for line in (head, *lines)]
    assert widths == [max(map(len, column)) for column in zip(*cells, strict=True)]
    return cells[0], cells[1:]


def _cut(line: str, widths: Sequence[int]) -> list[str]:
    cells, begin = [], 0
    for width in widths:
        cells.append(line[begin : begin + width].lstrip(" "))
        begin += width + 2
    assert line == "  ".join(cell.rjust(width) for cell, width in zip(cells, widths, strict=True))
    return cells


def tables_in(answer: Answer) -> list[Table]:
    """The tables of an answer with epochs masked, whichever way it tells them."""
    if answer.media_type == "application/json" or answer.parts[0].startswith("{"):
        found = [document(answer)]
        assert found[0]["response_op"] == "result_table", found
        return [_masked_table(one["table"]["column_names"], one["table"]["rows"]) for one in found]
    return [_masked_table(*read_table(part)) for part in answer.parts]


def _masked_table(names: Sequence[str], rows: Sequence[Sequence[str]]) -> Table:
    masked = [[masked_cell(name, cell) for name, cell in zip(names, r, strict=True)] for r in rows]
    return list(names), masked


def masked_cell(name: str, cell: str) -> str:
    """A cell without what differs from one recording to the next."""
    if name in _EPOCH_KEYS and _EPOCH.fullmatch(cell):
        return "EPOCH"
    if name.endswith("_datetime") and _DATETIME.fullmatch(cell):
        return "DATETIME"
    return cell


# --- The recording ------------------------------------------------------------------------------


def as_recorded(answer: Answer, case: Case) -> None:
    """The answer is the recorded one."""
    assert len(answer.parts) == len(case.received)
    assert answer.status == case.status or _refused(answer, case)
    for ours, theirs in zip(answer.parts, case.received, strict=True):
        if case.interface == "PUB":
            assert _signal(ours) == _signal(theirs)
        elif theirs.startswith("{"):
            pairs = zip(documents(ours), documents(theirs), strict=True)
            for one, other in pairs:
                assert _masked(_without_additions(one, other)) == _with_our_types(_masked(other))
        elif is_table(theirs):
            assert _masked_table(*read_table(ours)) == _masked_table(*read_table(theirs))
            assert ("\r\n" in ours) == ("\r\n" in theirs)
        elif case.interface == "HTTP" and theirs:
            assert ours == theirs + "\n"
        else:
            assert ours == theirs


def _refused(answer: Answer, case: Case) -> bool:
    """The ancestor said 200 to what it refused; we say 400, in JSON and in text."""
    told = case.received[0]
    is_error = '"response_op": "error"' in told or told.startswith("SQL error: ")
    return is_error and case.status == 200 and answer.status == 400


def _signal(frame: str) -> tuple[str, Any]:
    tag, _, signal = frame.partition("\0")
    return tag, _masked(json.loads(signal))


def _without_additions(ours: dict[str, Any], theirs: dict[str, Any]) -> dict[str, Any]:
    added = ADDITIONS.get(ours.get("response_op", ""), set()) - theirs.keys()
    return {key: value for key, value in ours.items() if key not in added}


def _masked(value: Any) -> Any:
    """A JSON document without what differs from one recording to the next."""
    if not isinstance(value, dict):
        return value
    if "column_names" in value:
        names, rows = _masked_table(value["column_names"], value["rows"])
        return {**value, "column_names": names, "rows": rows}
    return {
        key: "EPOCH" if key in _EPOCH_KEYS and _EPOCH.fullmatch(str(held)) else _masked(held)
        for key, held in value.items()
    }


def _with_our_types(recorded: dict[str, Any]) -> dict[str, Any]:
    """The recorded answer to a DESC, with the types as rule 5 calls them; others as they are."""
    table = recorded.get("table")
    if table is None or table["column_names"] != ["column_name", "column_type"]:
        return recorded
    rows = [[name, _TYPES.get(kind, kind)] for name, kind in table["rows"]]
    return {**recorded, "table": {**table, "rows": rows}}


# --- What every answer of ours is -----------------------------------------------------------------


def is_well_formed(answer: Answer, case: Case) -> None:
    """What holds of any answer, kept or changed: its form on the wire."""
    if case.interface == "ZMQ" or answer.media_type == "application/json":
        for found in [d for part in answer.parts for d in documents(part)][:1]:
            _is_reply(found, answer)
    elif case.interface == "HTTP" and answer.media_type == "text/plain":
        refused = answer.parts[0].startswith("SQL error: ")
        assert (answer.status == 200) is not refused
        assert answer.parts[0].endswith("\n")


def _is_reply(found: dict[str, Any], answer: Answer) -> None:
    op = found["response_op"]
    assert found["identity"] == IDENTITY
    assert answer.status in (None, 200) if op != "error" else answer.status != 200
    known = {
        "ok": set(),
        "error": {"error_message"},
        "result_table": {"table"},
        "tables_list": set(),
    }[op] | ADDITIONS[op]
    assert found.keys() <= known | {"response_op", "identity"}
    if op == "ok":
        assert found.keys() >= ADDITIONS["ok"] - {"message"}
    if op != "result_table":
        return
    assert found.keys() >= ADDITIONS[op]
    assert found["truncated"] is False
    names, rows = found["table"]["column_names"], found["table"]["rows"]
    columns = zip(names, *rows, strict=True)
    widths = {str(n): max(map(len, column)) for n, column in enumerate(columns)}
    assert found["max_widths"] == widths


# --- What rules put in the place of the recording -------------------------------------------------


def ok(**facts: Any) -> Check:
    """`ok`, and the receipt says so much."""

    def check(answer: Answer, case: Case) -> None:
        found = document(answer)
        assert found["response_op"] == "ok", found
        assert {key: found.get(key) for key in facts} == facts

    return check


def repeated(answer: Answer, case: Case) -> None:
    """`ok`, and the receipt says in words that nothing changed (rule 4)."""
    ok(applied=False, nr_rows=1)(answer, case)
    assert "already" in document(answer)["message"]


def error(*words: str, status: int = 400) -> Check:
    """An error; its sentence holds each of these."""

    def check(answer: Answer, case: Case) -> None:
        found = document(answer)
        assert found["response_op"] == "error", found
        assert [word for word in words if word not in found["error_message"]] == [], found
        assert answer.status == (status if case.interface == "HTTP" else None)

    return check


def error_is(sentence: str) -> Check:
    """An error with this very sentence."""

    def check(answer: Answer, case: Case) -> None:
        error()(answer, case)
        assert document(answer)["error_message"] == sentence

    return check


def text_error(sentence: str) -> Check:
    """An error told as text, with this very sentence."""

    def check(answer: Answer, case: Case) -> None:
        assert (answer.status, answer.parts) == (400, (f"SQL error: {sentence}\n",))

    return check


def result(names: Sequence[str], *rows: Sequence[str]) -> Check:
    """These columns and rows, as JSON or as a text table; epochs are EPOCH."""

    def check(answer: Answer, case: Case) -> None:
        assert answer.status in (None, 200)
        assert tables_in(answer) == [(list(names), [list(row) for row in rows])]

    return check


def says(*parts: str) -> Check:
    """These very texts."""

    def check(answer: Answer, case: Case) -> None:
        assert answer.parts == parts
        assert answer.status in (None, 200)

    return check


def recorded_but(*, rows: Sequence[Sequence[str]]) -> Check:
    """The recorded columns, with these rows."""

    def check(answer: Answer, case: Case) -> None:
        [(names, _)] = tables_in(Answer(case.received, 200, answer.media_type))
        result(names, *rows)(answer, case)

    return check


def all_of(*checks: Check) -> Check:
    """Each of these, of the part in its place."""

    def check(answer: Answer, case: Case) -> None:
        assert len(answer.parts) == len(checks)
        for part, recorded, one in zip(answer.parts, case.received, checks, strict=True):
            alone = Case(case.file, case.interface, case.phase, case.sent, (recorded,))
            one(Answer((part,), answer.status, answer.media_type), alone)

    return check


Counts = tuple[int, int, int]
"""nr_rows, nr_updates and static of a table."""


def _counts(published: Mapping[str, Counts], connections: int, views: int) -> dict[str, Counts]:
    """What is known of every table; nothing of the rows of our own internal ones."""
    nr_rows = {
        "connections": connections,
        "info": 1,
        "sql_stats": 1,
        "tables": len(published) + len(INTERNAL_TABLES),
        "update_stats": 1,
        "views": views,
    }
    return {**published, **{f"qasino_server_{name}": (nr, 1, 0) for name, nr in nr_rows.items()}}


def listed(
    published: Mapping[str, Counts], connections: int, views: int, *, internal_only: bool = False
) -> Check:
    """SHOW tables, by name: what was published and the internal tables."""
    expected = _counts(published, connections, views)
    if internal_only:
        expected = {name: counts for name, counts in expected.items() if name in INTERNAL_TABLES}

    def check(answer: Answer, case: Case) -> None:
        assert answer.status in (None, 200)
        [(names, rows)] = tables_in(answer)
        counts, times = ["nr_rows", "nr_updates"], ["last_update_epoch", "last_update_datetime"]
        assert names == ["tablename", *counts, times[0], "static", times[1]]
        assert [row[0] for row in rows] == sorted({*expected, *INTERNAL_TABLES})
        assert {tuple(row[3::2]) for row in rows} == {("EPOCH", "DATETIME")}
        found = {row[0]: (int(row[1]), int(row[2]), int(row[4])) for row in rows}
        assert {name: found[name] for name in expected} == expected

    return check


def tables_list(published: Mapping[str, Counts], connections: int, views: int) -> Check:
    """get_table_list: two JSON documents, the second with all that `listed` has."""
    expected = _counts(published, connections, views)

    def check(answer: Answer, case: Case) -> None:
        head, tables = [found for part in answer.parts for found in documents(part)]
        assert head == {"response_op": "tables_list", "identity": IDENTITY}
        assert len(answer.parts) == len(case.received)
        assert tables.keys() == {*expected, *INTERNAL_TABLES}
        for held in tables.values():
            assert held.keys() == {"last_update_epoch", "updates", "nr_rows"}
            assert _EPOCH.fullmatch(str(held["last_update_epoch"]))
        for name, (nr_rows, nr_updates, _) in expected.items():
            assert (tables[name]["nr_rows"], tables[name]["updates"]) == (nr_rows, nr_updates)

    return check


def connected(*identities: tuple[str, int]) -> Check:
    """SHOW connections: who has published how many tables, in order."""
    rows = [[name, str(nr_tables), "EPOCH", "DATETIME"] for name, nr_tables in identities]
    names = ["identity", "nr_tables", "last_update_epoch", "last_update_datetime"]
    return result(names, *rows)


def cast(expression: str) -> str:
    """A REAL as text: what SQLite's CAST gives."""
    connection = apsw.Connection(":memory:")
    try:
        return str(connection.execute(f"select cast({expression} as text)").get)
    finally:
        connection.close()
