"""What the command of `--on-change` is told while rows are not to be believed, and after that."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest
from command import zmq_url
from hypothesis import given
from hypothesis import strategies as st
from terminal_screen import Terminal
from watch_house import frame_of, result_of, until_another_second
from wire import Wire, until

from qasino_cli.watch import news as room
from qasino_cli.watch.anew import ANEW, Anew
from qasino_cli.watch.diff import Picture, changes
from qasino_cli.watch.news import News
from qasino_cli.watch.query import Update
from qasino_server.server import Server

NAMES = ("host", "used_pct")
ALERT = "select * from mounts where used_pct > 90"
MISSING = "missing: web-9 (mounts)"


def update(
    number: int,
    rows: list[tuple[Any, ...]],
    names: tuple[str, ...] = NAMES,
    unknown: str | None = None,
    sql: str = ALERT,
    truncated: bool = False,
) -> Update:
    result = result_of(names, rows, number, truncated)
    return Update(result=result, sql=sql, unknown=unknown)


class Following(News):
    """Hears updates as the feed hands them on."""

    def __init__(self, key: tuple[str, ...]) -> None:
        super().__init__(key)
        self._anew = Anew()

    def of(self, update: Update) -> Picture:
        return super().of(self._anew.judged(update))


def told(news: News, *updates: Update) -> list[tuple[Any, ...]]:
    """Of each change what it is, and the row."""
    found = [change for one in updates for change in changes(news.of(one))]
    return [(change["change"], *change["row"].values()) for change in found]


def begun(rows: list[tuple[Any, ...]], names: tuple[str, ...] = NAMES, *key: str) -> News:
    news = Following(key)
    assert told(news, update(1, rows, names)) == []
    return news


def test_a_row_that_is_not_there_while_it_is_unknown_is_told_of_once_it_is_known() -> None:
    news = begun([("a", 95), ("b", 97)])
    assert told(news, update(2, [("b", 97)], unknown=MISSING), Update(unknown="lost: away")) == []
    assert told(news, update(3, [("b", 97)], unknown=MISSING)) == []
    assert told(news, update(4, [("b", 97)])) == [("gone", "a", 95)]
    assert told(news, update(5, [("b", 97)])) == []


def test_a_row_that_is_back_is_not_told_twice() -> None:
    news = begun([("a", 95)])
    away = update(2, [], unknown=MISSING)
    assert told(news, away, update(3, [("a", 95)])) == []
    assert told(news, away, update(4, [("a", 99)])) == [("changed", "a", 99)]


def test_a_row_that_is_there_is_told_of_at_once_with_why_it_may_be_wrong() -> None:
    news = begun([("a", 95)])
    found = list(changes(news.of(update(2, [("b", 99)], unknown=MISSING))))
    assert [(c["change"], c["key"], c["unknown"]) for c in found] == [
        ("new", {"host": "b"}, MISSING)
    ]
    assert told(news, update(3, [("a", 95), ("b", 99)])) == []
    assert [c["unknown"] for c in changes(news.of(update(4, [])))] == [None, None]


def test_rows_of_the_same_generation_that_are_believed_now_are_compared() -> None:
    news = begun([("a", 95)])
    assert told(news, update(2, [], unknown="torn")) == []
    assert told(news, update(2, [])) == [("gone", "a", 95)]


def test_in_the_first_generation_of_a_server_nobody_has_gone() -> None:
    """It does not know who used to report, and not all have reported yet."""
    news = begun([("a", 95), ("b", 97)])
    assert told(news, Update(unknown="lost: away"), update(0, [])) == []
    [change] = changes(news.of(update(2, [("b", 98)])))
    assert (change["change"], change["unknown"]) == ("changed", ANEW)
    assert told(news, update(2, []), update(3, [("a", 95), ("b", 98)])) == []
    assert told(news, update(4, [("a", 95)])) == [("gone", "b", 98)]
    assert told(news, Update(error="no such table"), update(5, [])) == [("gone", "a", 95)]


def test_a_refusal_is_no_answer_and_who_is_missing_says_more_than_that_it_is_the_first() -> None:
    news = begun([("a", 95)])
    assert told(news, Update(unknown="lost: away"), Update(error="no such table: mounts")) == []
    [change] = changes(news.of(update(2, [("b", 97)], unknown=MISSING)))
    assert (change["change"], change["unknown"]) == ("new", MISSING)
    assert told(news, Update(unknown="lost: away"), Update(error="no such table: mounts")) == []
    assert told(news, update(3, [("b", 97)])) == [], "the first after that"
    assert told(news, update(4, [("b", 97)])) == [("gone", "a", 95)]


def test_what_the_server_has_cut_off_has_not_gone() -> None:
    news = begun([("a", 95), ("b", 97)])
    assert told(news, update(2, [("b", 97)], truncated=True)) == []
    assert told(news, update(3, [("b", 97)])) == [("gone", "a", 95)]


def test_a_result_without_the_column_of_the_key_is_passed_over() -> None:
    news = begun([("a", 95)], NAMES, "host")
    assert told(news, update(2, [(1,)], ("n",)), update(3, [("a", 96)])) == [("changed", "a", 96)]


def test_the_first_result_of_another_statement_is_no_change() -> None:
    news = begun([("a", 95), ("b", 97)])
    another = "select * from mounts where used_pct > 96"
    assert told(news, update(1, [("b", 97)], sql=another)) == []
    assert told(news, update(2, [("b", 98)], sql=another)) == [("changed", "b", 98)]


def test_a_row_that_is_held_stays_its_own_where_another_key_is_needed() -> None:
    mounts = ("host", "mount")
    news = begun([("a", "/")], mounts)
    here = [("b", "/"), ("b", "/var")]
    assert told(news, update(2, here, mounts, MISSING)) == [("new", *row) for row in here]
    assert told(news, update(3, [("a", "/"), *here], mounts)) == []


MORE = (*NAMES, "fs")


def test_a_row_that_brings_a_column_is_told_of() -> None:
    news = begun([("a", 95)])
    both = update(2, [("a", 95, None), ("b", 99, "ext4")], MORE)
    assert told(news, both) == [("new", "b", 99, "ext4")]
    assert told(news, update(3, [("a", 95)])) == [("gone", "b", 99, "ext4")]
    assert told(news, update(4, [("a", 96)])) == [("changed", "a", 96)]


def test_a_row_that_takes_its_column_along_is_not_told_twice() -> None:
    news = begun([("a", 95, None), ("b", 99, "ext4")], MORE)
    assert told(news, update(2, [("a", 95)], unknown=MISSING)) == []
    assert told(news, update(3, [("a", 95, None), ("b", 99, "ext4")], MORE)) == []


def test_what_a_row_has_in_a_column_of_its_own_is_told_when_it_comes_and_goes() -> None:
    """As `error`, that JSON has where there is one."""
    news = begun([("a", 95)])
    assert told(news, update(2, [("a", 95, "on fire")], MORE)) == [("changed", "a", 95, "on fire")]
    assert told(news, update(3, [("a", 95)])) == [("changed", "a", 95, None)]
    assert told(news, update(4, [("a", 95)])) == []


def test_not_more_is_remembered_than_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "MAX_HELD", 2)
    news = begun([("a", 1)])
    for number, host in enumerate("bcd", 2):
        assert told(news, update(number, [(host, 1)], unknown=MISSING)) == [("new", host, 1)]
    assert told(news, update(9, [])) == [("gone", "d", 1), ("gone", "c", 1), ("gone", "b", 1)]


CELLS = st.tuples(st.integers(0, 2), st.sampled_from([None, "ext4"]))
HOSTS = st.dictionaries(st.sampled_from("abcd"), CELLS, max_size=4)
SEEN = st.tuples(st.sampled_from([None, None, MISSING, "lost"]), HOSTS)


def reported(number: int, hosts: dict[str, tuple[Any, ...]], unknown: str | None = None) -> Update:
    """With the second column only where somebody has something in it."""
    most = 3 if any(fs is not None for _, fs in hosts.values()) else 2
    rows = [(host, *cells)[:most] for host, cells in hosts.items()]
    return update(number, rows, MORE[:most], unknown)


@given(HOSTS, st.lists(SEEN, max_size=8), st.sampled_from([(), ("host",)]))
def test_who_keeps_account_of_what_they_are_told_has_the_rows(
    first: dict[str, tuple[Any, ...]],
    seen: list[tuple[str | None, dict[str, tuple[Any, ...]]]],
    key: tuple[str, ...],
) -> None:
    """No row is lost, none is told twice, and none is taken away while it is unknown."""
    account, news = dict(first), Following(key)
    assert told(news, reported(1, first)) == []
    away = False
    for number, (unknown, rows) in enumerate(seen, 2):
        if unknown == "lost":
            away = True
            assert told(news, Update(unknown="lost: away", sql=ALERT)) == []
            continue
        known, away = unknown is None and not away, False
        for change, host, used, *fs in told(news, reported(number, rows, unknown)):
            cells = (used, *(fs or [None]))
            if change == "gone":
                assert known
                assert account.pop(host) == cells
            else:
                assert (change == "changed") == (host in account)
                assert account.get(host) != cells
                account[host] = cells
        assert account == (rows if known else account | rows)


# --- Against a real server -------------------------------------------------------------------


@pytest.fixture
def report(server: Server, wire: Wire) -> Any:
    """A generation in which these hosts reported; with a column more where there are two cells."""

    def turn(**used: Any) -> None:
        for host, cells in used.items():
            more = cells if isinstance(cells, tuple) else (cells,)
            columns = ["host", "used_pct", "fs"][: 1 + len(more)]
            types = ["text", "int", "text"][: 1 + len(more)]
            wire.publish(host, "mounts", columns, types, [[host, *more]])
        server.rotate()

    return turn


def test_an_alert_that_brings_a_column_is_told_to_a_command(
    running: Callable[..., Any], report: Callable[..., None], tmp_path: Path
) -> None:
    path = tmp_path / "told"
    report(a=95)
    process = running("--on-change", f"cat >> {path}", ALERT)
    frame_of(process)
    report(a=95, b=(99, "ext4"))
    assert frame_of(process)[-1] == "b\t99\text4"
    assert until(lambda: path.exists() and path.read_text().endswith("\n"))
    [change] = [json.loads(line) for line in path.read_text().splitlines()]
    assert (change["change"], change["row"]["fs"]) == ("new", "ext4")


@pytest.mark.timeout(60)
def test_a_dead_host_is_no_all_clear_for_a_command(
    running: Callable[..., Any], report: Callable[..., None], tmp_path: Path
) -> None:
    """An alert begins meanwhile; then the dead one is back as it was, and gets well at last."""
    path = tmp_path / "told"
    path.touch()
    report(a=50, b=50)
    process = running("--on-change", f"cat >> {path}", ALERT)
    frame_of(process)

    def lines() -> list[tuple[Any, ...]]:
        made = [json.loads(line) for line in path.read_text().splitlines()]
        return [(c["change"], c["key"]["host"], c["unknown"]) for c in made]

    def turned(wanted: list[tuple[Any, ...]], **used: int) -> None:
        report(**used)
        frame_of(process)
        assert until(lambda: lines() == wanted)

    away = "missing: a (mounts)"
    begins = [("new", "a", None)]
    turned(begins, a=95, b=50)
    turned(begins, b=50)
    turned([*begins, ("new", "b", away)], b=99)
    turned([*begins, ("new", "b", away)], a=95, b=99)
    well = [*begins, ("new", "b", away), ("gone", "a", None)]
    turned(well, a=10, b=99)
    turned([*well, ("gone", "b", None)], a=10, b=10)


@pytest.fixture
def screen_of(server: Server, tmp_path: Path) -> Iterator[Callable[..., Terminal]]:
    with ExitStack() as stack:

        def start(*args: str) -> Terminal:
            terminal = Terminal("watch", "-s", zmq_url(server), *args, home=tmp_path)
            return stack.enter_context(closing(terminal))

        yield start


def test_a_screen_tells_a_command_the_same(
    screen_of: Callable[..., Terminal], report: Callable[..., None], tmp_path: Path
) -> None:
    path = tmp_path / "told"
    report(a=95, b=50)
    screen = screen_of("--on-change", f"cat >> {path}", "--interval", "0.2", ALERT)
    screen.see("1 row", "a 95")
    report(b=50)
    screen.see("missing: a (mounts)", "0 rows")
    report(a=10, b=50)
    screen.gone("missing")
    until(lambda: path.exists() and path.read_text().endswith("\n"))
    [change] = [json.loads(line) for line in path.read_text().splitlines()]
    assert (change["change"], change["unknown"]) == ("gone", None)


def test_another_statement_on_the_screen_is_no_change_to_a_command(
    screen_of: Callable[..., Terminal], report: Callable[..., None], tmp_path: Path
) -> None:
    path = tmp_path / "told"
    report(a=91, b=92, c=93)
    screen = screen_of("--on-change", f"cat >> {path}", ALERT)
    screen.see("3 rows")
    screen.type("e and used_pct > 92\r")
    screen.see("1 row")
    screen.gone("gone")
    report(a=91, b=92, c=94)
    screen.type("n")
    screen.see("c 94▲")
    until(lambda: path.exists() and path.read_text().endswith("\n"))
    [change] = [json.loads(line) for line in path.read_text().splitlines()]
    assert (change["change"], change["key"]) == ("changed", {"host": "c"})


@pytest.mark.timeout(60)
def test_a_server_that_begins_anew_is_no_all_clear_for_a_command(
    running: Callable[..., Any],
    make_server: Callable[..., Server],
    wire_to: Callable[[Server], Wire],
    tmp_path: Path,
) -> None:
    places = {"db_dir": tmp_path / "d", "static_db": tmp_path / "s.db"}
    path = tmp_path / "told"

    def report(server: Server, **used: int) -> None:
        for host, value in used.items():
            columns, types = ["host", "used_pct"], ["text", "int"]
            wire_to(server).publish(host, "mounts", columns, types, [[host, value]])
        server.rotate()

    first = make_server(**places)
    report(first, a=95, b=95)
    hook = ("--interval", "0.2", "--on-change", f"cat >> {path}")
    process = running("-s", zmq_url(first), *hook, ALERT)
    frame = frame_of(process)
    assert len(frame) == 4
    first.stop()
    assert frame_of(process)[0].startswith("# unknown: lost")
    until_another_second(frame)
    second = make_server(**places, zmq_port=first.ports["zmq"])
    assert frame_of(process) == ["# unknown: refused: no such table: mounts"]
    for used, nr_rows in (({"b": 95}, 1), ({"a": 95, "b": 95}, 2), ({"a": 10, "b": 95}, 1)):
        report(second, **used)
        assert frame_of(process)[0].endswith(f", {nr_rows} row{'s' * (nr_rows > 1)}")
    assert until(lambda: path.exists() and path.read_text().endswith("\n"))
    [change] = [json.loads(line) for line in path.read_text().splitlines()]
    assert (change["change"], change["key"]) == ("gone", {"host": "a"})
