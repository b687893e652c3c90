"""The snapshot before is compressed while nobody asks for it, and there for whoever does."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import apsw
import pytest
from handed_in import Written
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from server_process import ENDLESS
from wire import until

from qasino_server.database.answer import Limits
from qasino_server.database.generation_file import BLOCK_BYTES, GenerationFile
from qasino_server.database.room import Reserve
from qasino_server.database.snapshot import SnapshotConnection
from qasino_server.errors import Busy, Cancelled, NotReading, SqlError
from qasino_server.render import CsvStream
from qasino_server.statement import Select
from qasino_server.store.files import PREV_STAYS_GENERATIONS
from qasino_server.store.job import Job, QueryRequest
from qasino_server.store.reader import Reader
from qasino_server.table import Result

RATE = "select t.n - p.n from t join prev.t p using (identity)"


def never() -> bool:
    return False


def files(tmp_path: Path) -> list[str]:
    """What the files of the generations are, the oldest first."""
    found = sorted((tmp_path / "db").rglob("*.db"), key=lambda path: int(path.stem))
    return ["compressed" if is_compressed(path) else "plain" for path in found]


def is_compressed(path: Path) -> bool:
    try:
        return path.with_name(f"{path.name}-compressed").stat().st_size > 0
    except FileNotFoundError:
        return False


AWAY = ["compressed", "plain", "plain"]
PLAIN = ["plain", "plain", "plain"]


@pytest.fixture
def away(make_bench: Any, tmp_path: Path) -> Any:
    """A bench whose snapshot before has been compressed."""
    bench = make_bench(compress_from_bytes=1)
    fill(bench, 2)
    until(lambda: files(tmp_path) == AWAY)
    return bench


def fill(bench: Any, rotations: int) -> None:
    for n in range(rotations):
        bench.publish("a", "t", "identity text, n int", [["a", 10 * n]])
        bench.rotate()


def test_who_asks_for_it_gets_it_and_it_stays_for_a_while(away: Any, tmp_path: Path) -> None:
    assert away.rows("select n from t") == [[10]]
    assert files(tmp_path) == AWAY
    assert away.rows(RATE) == [[10]]
    assert files(tmp_path) == PLAIN
    for _ in range(PREV_STAYS_GENERATIONS):
        fill(away, 1)
        until(lambda: len(files(tmp_path)) == 3)
        assert files(tmp_path) == PLAIN
    fill(away, 1)
    until(lambda: files(tmp_path) == AWAY)
    assert away.rows(RATE) == [[0]]


def test_asking_again_puts_it_off(away: Any, tmp_path: Path) -> None:
    for _ in range(PREV_STAYS_GENERATIONS + 2):
        assert len(away.rows(RATE)) == 1
        fill(away, 1)
    until(lambda: files(tmp_path) == PLAIN)


def test_a_small_one_stays_as_it_is(make_bench: Any, tmp_path: Path) -> None:
    bench = make_bench()
    fill(bench, 3)
    until(lambda: files(tmp_path) == PLAIN)
    assert bench.rows(RATE) == [[10]]


def test_one_of_just_so_many_bytes_is_not_small(make_bench: Any, tmp_path: Path) -> None:
    first = make_bench()
    fill(first, 1)
    size_bytes = first.store.state().generation_bytes
    first.store.stop(5.0)
    bench = make_bench(compress_from_bytes=size_bytes)
    fill(bench, 2)
    until(lambda: files(tmp_path) == AWAY)


def test_all_at_once_get_it(away: Any) -> None:
    answers: list[Any] = []
    askers = [
        threading.Thread(target=lambda n=n: answers.append(away.rows(f"{RATE} where {n}")))
        for n in range(1, 9)
    ]
    for asker in askers:
        asker.start()
    for asker in askers:
        asker.join(30)
    assert answers == [[[10]]] * 8


@pytest.mark.parametrize(
    ("sql", "rows"),
    [
        ('select n from "PREV".t', [[0]]),
        ("select count(*) from prev.t", [[1]]),
        ("with p as (select * from prev.t) select p.n from p", [[0]]),
        ("select n from seen_before", [[0]]),
        ("select name from pragma_table_info('t', 'prev')", [["identity"], ["n"]]),
        ("desc prev.t", [["identity", "TEXT"], ["n", "INTEGER"]]),
        ('DESCRIBE "prev" . [t];', [["identity", "TEXT"], ["n", "INTEGER"]]),
    ],
)
def test_however_it_is_named(
    away: Any, store_settings: dict[str, Any], sql: str, rows: list[list[Any]]
) -> None:
    store_settings["views_file"].write_text(
        "- viewname: seen_before\n  view: create view seen_before as select * from prev.t\n"
    )
    assert away.rows(sql) == rows


def test_a_stream_gets_it(away: Any) -> None:
    sink = Written()
    outcome = away.ask(RATE, stream=CsvStream(), sink=sink)
    assert isinstance(outcome, Result), outcome
    assert sink.text().split() == [b"t.n", b"-", b"p.n", b"10"]


def test_a_stream_describes_it(away: Any) -> None:
    sink = Written()
    outcome = away.ask("desc prev.t", stream=CsvStream(), sink=sink)
    assert isinstance(outcome, Result), outcome
    assert sink.text().split() == [b"column_name,column_type", b"identity,TEXT", b"n,INTEGER"]


@pytest.mark.parametrize("columns", ["pragma_table_info('t', 'prev')", "seen_before"])
@pytest.mark.parametrize("change", [str.lower, str.upper])
def test_a_stream_has_it_before_its_first_row(
    make_bench: Any, tmp_path: Path, columns: str, change: Callable[[str], str]
) -> None:
    """SQLite looks for the schema a pragma names when it is its turn."""
    body = change("select name from pragma_table_info('t', 'prev')")
    (tmp_path / "views.conf").write_text(
        f"- viewname: seen_before\n  view: create view seen_before as {body}\n"
    )
    bench = make_bench(compress_from_bytes=1)
    for _ in range(2):
        bench.publish("a", "t", "n int", [[n] for n in range(20_000)])
        bench.rotate()
    until(lambda: files(tmp_path) == AWAY)
    sink = Written()
    sql = f"select n from t union all select name from {change(columns)}"
    outcome = bench.ask(sql, stream=CsvStream(), sink=sink)
    assert isinstance(outcome, Result), outcome
    assert sink.text().endswith(b"\n19999\nn\n")


@pytest.mark.parametrize(
    "sql", ["select n from t where n <> 'prev'", "select n from t where random() is not null"]
)
def test_a_stream_that_does_not_read_it_leaves_it_away(away: Any, tmp_path: Path, sql: str) -> None:
    sink = Written()
    outcome = away.ask(sql, stream=CsvStream(), sink=sink)
    assert isinstance(outcome, Result), outcome
    assert sink.text().split() == [b"n", b"10"]
    assert files(tmp_path) == AWAY


def test_its_tables_may_be_longer_than_what_queries_may_build(
    make_bench: Any, tmp_path: Path
) -> None:
    bench = make_bench(compress_from_bytes=1, max_result_bytes=1000, max_body_bytes=1000)
    columns = ", ".join(f"column_number_{n} int" for n in range(60))
    for _ in range(2):
        bench.publish("a", "wide", columns, [[1] * 60])
        bench.rotate()
    until(lambda: files(tmp_path) == AWAY)
    assert bench.rows("select count(*) from prev.wide") == [[1]]
    assert "--max-result" in bench.refusal("select zeroblob(1001) from prev.wide")


def test_what_is_wrong_is_told_as_ever(away: Any) -> None:
    assert away.refusal("select * from nowhere") == "no such table: nowhere"
    assert away.refusal("select * from prev.nowhere") == "no such table: prev.nowhere"
    assert away.refusal("select nix from prev.t") == "no such column: nix"
    assert away.refusal("desc prev.nowhere") == "Table prev.nowhere not found"
    assert away.refusal("desc nowhere.t") == "unknown database 'nowhere'"


def test_a_table_that_a_look_saw_and_that_was_dropped_was_never_there(bench: Any) -> None:
    bench.publish("p", "ghost", "n int", [[1]], persist=1)
    assert bench.rows("select n from ghost", use_write_db=True) == [[1]]
    bench.drop("ghost")
    for _ in range(2):
        bench.rotate()
        assert bench.rows("select count(*) from qasino_server_info") == [[1]]
    assert bench.refusal("desc ghost") == "Table ghost not found"
    assert bench.refusal("select * from ghost") == "no such table: ghost"


def test_a_table_that_is_gone_does_not_answer_to_its_bare_name_then(away: Any) -> None:
    away.rotate()
    for _ in range(2):
        assert away.refusal("select * from t") == "no such table: t"
        assert away.rows("select n from prev.t") == [[10]]


@pytest.mark.parametrize(
    "sql", ["select * from t", "select * from main.T", "desc t", "select nix from t"]
)
def test_that_it_has_a_table_is_told_without_restoring_it(
    away: Any, tmp_path: Path, sql: str
) -> None:
    away.rotate()
    until(lambda: files(tmp_path) == AWAY)
    outcome = away.ask(sql)
    assert isinstance(outcome, SqlError)
    assert outcome.hint.lower() == "the snapshot before has it: prev.t"
    assert away.ask("select * from nowhere").hint == away.ask("desc nowhere").hint == ""
    assert files(tmp_path) == AWAY


def test_what_it_is_told_to_have_can_be_asked_for(make_bench: Any) -> None:
    bench = make_bench()
    for name in ("order", "kk"):
        bench.publish("a", name, "x int", [[1]])
    bench.rotate()
    bench.rotate()
    assert bench.ask('select * from "order"').hint == 'the snapshot before has it: prev."order"'
    assert bench.rows('select * from prev."order"') == [[1]]
    assert bench.ask('select * from "\u212a\u212a"').hint == ""  # as SQLite compares names
    assert bench.ask("desc view kk").hint == ""


@pytest.mark.parametrize("sql", ["select count(*) from PREV.t", "select 1 from Prev.T", RATE])
def test_whoever_reads_it_is_seen_to_whatever_they_write(bench: Any, sql: str) -> None:
    fill(bench, 2)
    file = bench.store._snapshot.place.previous
    assert not file.asked
    assert bench.rows(sql)
    assert file.asked


def test_where_its_file_was_removed_there_is_a_sentence(away: Any, tmp_path: Path) -> None:
    for path in (tmp_path / "db").rglob("*-compressed"):
        path.unlink()
    assert "ask again" in away.refusal(RATE)
    assert away.rows("select n from t") == [[10]]
    fill(away, 2)
    assert away.rows(RATE) == [[10]]


def test_it_is_removed_as_any_other(away: Any, tmp_path: Path) -> None:
    away.rows("select 1")
    fill(away, 2)
    until(lambda: files(tmp_path) == AWAY)
    away.store.stop(5.0)
    assert files(tmp_path) == []


# --- The file -------------------------------------------------------------------------------


@pytest.fixture
def make_file(tmp_path: Path) -> Callable[[bytes], GenerationFile]:
    def make(content: bytes) -> GenerationFile:
        path = tmp_path / "7.db"
        path.write_bytes(content)
        return GenerationFile(path, Reserve(tmp_path))

    return make


def after(calls: int) -> Callable[[], bool]:
    """True from the call after so many on."""
    called = count(1)
    return lambda: next(called) > calls


def restore(file: GenerationFile, stopped: Callable[[], bool] = never) -> bool:
    with file.restored(stopped) as there:
        return there


def kinds(tmp_path: Path) -> list[str]:
    return sorted(path.name for path in tmp_path.iterdir() if path.stat().st_size)


FIVE = b"".join(bytes([n]) * BLOCK_BYTES for n in range(5))


@pytest.mark.parametrize(
    "content", [b"", b"x", FIVE, FIVE[:-1], FIVE + b"x", bytes(range(256)) * 20_000]
)
def test_what_is_restored_is_what_was(make_file: Any, tmp_path: Path, content: bytes) -> None:
    file = make_file(content)
    file.compress(never)
    assert kinds(tmp_path) == (["7.db-compressed"] if content else [])
    assert restore(file)
    assert file.path.read_bytes() == content
    assert kinds(tmp_path) == (["7.db"] if content else [])


@given(stops=st.lists(st.integers(0, 6), max_size=6), content=st.binary(max_size=100))
@settings(
    max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)
def test_who_stops_in_the_middle_loses_nothing(
    make_file: Any, stops: list[int], content: bytes
) -> None:
    file = make_file(FIVE + content)
    for stop in stops:
        file.asked = False
        file.compress(after(stop))
        restore(file, after(stop // 2))
    assert restore(file)
    assert file.path.read_bytes() == FIVE + content


def test_one_that_was_asked_for_or_is_open_is_not_compressed(
    make_file: Any, tmp_path: Path
) -> None:
    file = make_file(b"x")
    file.opening()
    file.compress(never)
    file.closed()
    file.asked = True
    file.compress(never)
    assert kinds(tmp_path) == ["7.db"]


def test_it_is_told_when_nobody_has_it_open(make_file: Any) -> None:
    file, told = make_file(b"x"), []
    file.when_closed(lambda: told.append("at once"))
    file.opening()
    file.opening()
    file.when_closed(lambda: told.append("later"))
    file.closed()
    assert told == ["at once"]
    file.closed()
    assert told == ["at once", "later"]
    file.opening()
    file.closed()
    assert told == ["at once", "later"]


def test_one_that_is_compressed_is_not_opened(make_file: Any) -> None:
    file = make_file(b"x")
    file.compress(never)
    with pytest.raises(apsw.CantOpenError):
        file.opening()
    restore(file)
    file.opening()


def test_damage_is_a_sentence(make_file: Any, tmp_path: Path) -> None:
    file = make_file(b"x" * 100)
    file.compress(never)
    (tmp_path / "7.db-compressed").write_bytes(b"no zstd at all")
    with pytest.raises(Busy, match="cannot be restored"):
        restore(file)


@pytest.mark.parametrize("way", ["compress", "restore"])
def test_what_somebody_else_has_put_there_is_not_touched(
    make_file: Any, tmp_path: Path, way: str
) -> None:
    """A link where a file is to be, or a directory of theirs in the place of ours."""
    file = make_file(b"x" * 100)
    if way == "restore":
        file.compress(never)
    act = {"compress": lambda: file.compress(never), "restore": lambda: restore(file)}[way]
    theirs = tmp_path.with_name(f"{tmp_path.name}-theirs")
    theirs.write_bytes(b"theirs")
    there = tmp_path / ("7.db-compressed" if way == "compress" else "7.db")
    there.unlink(missing_ok=True)
    there.symlink_to(theirs)
    with pytest.raises((OSError, Busy)):
        act()
    there.unlink()
    there.touch()
    tmp_path.chmod(0o777)
    with pytest.raises((OSError, Busy)):
        act()
    assert theirs.read_bytes() == b"theirs"
    tmp_path.chmod(0o700)
    act()


@pytest.mark.parametrize("blocks", [0, 2])
def test_restoring_leaves_the_room_that_finishing_a_generation_takes(
    make_file: Any, tmp_path: Path, blocks: int
) -> None:
    """Or there would be no rotation any more, which alone lets go of it."""
    file = make_file(FIVE)
    file.compress(never)
    reserve = Reserve(tmp_path)
    file._reserve = reserve
    full = after(blocks - 1)

    def fill_up() -> bool:
        if full():
            reserve.took(1 << 60)
        return False

    if not blocks:
        fill_up()
    with pytest.raises(Busy, match="no room"):
        restore(file, fill_up)
    assert len(file._pieces_bytes) == 5 - blocks
    reserve.took(0)
    assert restore(file)
    assert file.path.read_bytes() == FIVE


def test_one_that_is_being_restored_is_removed_afterwards(make_file: Any) -> None:
    """A rotation comes between: who asked in time still gets it."""
    file = make_file(b"x")
    file.compress(never)
    with file.restored(never) as there:
        file.remove()
        assert there
        assert file.path.read_bytes() == b"x"
    assert not file.path.exists()
    file.compress(never)
    assert not file.path.exists()


# --- With queries ---------------------------------------------------------------------------


def test_one_that_a_query_still_reads_is_compressed_when_it_has_ended(
    make_bench: Any, tmp_path: Path
) -> None:
    """What is mapped and cut off would end the process."""
    bench = make_bench(compress_from_bytes=1)
    fill(bench, 1)
    outcomes: list[Any] = []
    asker = threading.Thread(target=lambda: outcomes.append(bench.ask(ENDLESS, query_id="long")))
    asker.start()
    until(lambda: any(job.generation_number for job in bench.store._readers.running()))
    fill(bench, 1)
    assert bench.store._snapshot.place.previous._when_closed is not None
    assert files(tmp_path)[-3] == "plain"
    bench.rows("kill long")
    asker.join(20)
    assert isinstance(outcomes[0], Cancelled)
    until(lambda: files(tmp_path) == AWAY)


def test_a_query_that_is_cancelled_meanwhile_says_so(away: Any) -> None:
    file = away.store._snapshot.place.previous
    with file._lock:
        outcomes: list[Any] = []
        asker = threading.Thread(target=lambda: outcomes.append(away.ask(RATE, query_id="slow")))
        asker.start()
        until(lambda: away.store._readers.running())
        away.rows("kill slow")
    asker.join(20)
    assert isinstance(outcomes[0], Cancelled)
    assert away.rows(RATE) == [[10]]


def test_one_that_goes_while_it_is_attached_is_a_sentence(away: Any) -> None:
    """A rotation comes between: the file was there, and is not any more."""
    file = away.store._snapshot.place.previous
    restore(file)
    file.path.unlink()
    on = away.store._snapshot.new_connection(away.store.overlay())
    with pytest.raises(Busy, match="ask again"):
        on.fetch_prev(never)
    on.close()


@pytest.fixture
def gone(away: Any) -> SnapshotConnection:
    """A connection without the snapshot before, which alone has the table `t`."""
    fill(away, 1)
    away.store._snapshot.place.previous.asked = False
    away.store._nr_unasked = PREV_STAYS_GENERATIONS
    away.rotate()
    return away.store._snapshot.new_connection(away.store.overlay())


def job(sql: str) -> Job:
    return Job(QueryRequest(sql=sql, port="", peer="", query_id="1"), Select(sql), 9.0, print)


def test_who_is_stopped_while_it_is_attached_is_told_so_and_has_it_whole_or_not_at_all(
    gone: SnapshotConnection,
) -> None:
    """A bare name must not reach it, whenever the interrupt has come."""
    limits = Limits(10, 1 << 20)
    for steps in count(1):
        gone.connection.set_progress_handler(after(steps), 1)
        outcome = job("select n from prev.t").run(gone, limits)
        gone.connection.set_progress_handler(None)
        bare = job("select n from t").run(gone, limits)
        assert isinstance(bare, SqlError), (steps, bare)
        assert bare.sentence == "no such table: t"
        if isinstance(outcome, Result):
            break
        assert isinstance(outcome, Cancelled), (steps, outcome)
    gone.close()


class Interrupted:
    """A connection whose pragmas are interrupted so often, beginning with that one."""

    def __init__(self, connection: apsw.Connection, first: int, times: int) -> None:
        self.connection = connection
        self._interrupted = range(first, first + times)
        self._nr_pragmas = 0

    def pragma(self, name: str, value: int) -> Any:
        self._nr_pragmas += 1
        if self._nr_pragmas in self._interrupted:
            raise apsw.InterruptError("interrupted")
        return self.connection.pragma(name, value)

    def __setattr__(self, name: str, value: Any) -> None:
        if name == "authorizer":
            self.connection.authorizer = value
        else:
            super().__setattr__(name, value)


@pytest.mark.parametrize(("first", "times"), [(1, 1), (2, 1), (2, 10), (1, 1000), (2, 1000)])
def test_who_is_stopped_between_the_walls_leaves_them_standing(
    gone: SnapshotConnection, monkeypatch: pytest.MonkeyPatch, first: int, times: int
) -> None:
    """Whoever asked next on that connection had no authorizer any more."""
    limits = Limits(10, 1 << 20)
    with monkeypatch.context() as patch:
        patch.setattr(gone.sandbox, "_connection", Interrupted(gone.connection, first, times))
        outcome = job("select n from prev.t").run(gone, limits)
    attached = first > 1 and times < 100
    assert isinstance(outcome, Result if attached else Cancelled)
    refused = job("select * from pragma_database_list").run(gone, limits)
    assert isinstance(refused, NotReading)
    gone.connection.authorizer = None
    never_on_again = first > 1 and times > 100
    assert gone.connection.pragma("query_only") == (not never_on_again)
    gone.close()


def test_what_is_restored_is_no_temporary_file(
    make_bench: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = make_bench(compress_from_bytes=1, max_temp_bytes=1 << 20)
    rows = [[n, f"{n}" * 500] for n in range(8000)]
    for _ in range(2):
        bench.publish("a", "t", "n int, s text", rows)
        bench.rotate()
    until(lambda: files(tmp_path) == AWAY)
    file = bench.store._snapshot.place.previous
    outcomes: list[Any] = []
    a_while = ENDLESS.replace("from r)", "from r where i < 2000000)")
    sql = f"select count(*) from prev.t where n < ({a_while})"
    asker = threading.Thread(target=lambda: outcomes.append(bench.ask(sql)))
    seen: list[str] = []
    temp_bytes = Reader.temp_bytes

    def seen_by_the_warden(reader: Reader) -> int:
        seen.append(reader.job.sql if file.asked and reader.job is not None else "")
        return temp_bytes(reader)

    monkeypatch.setattr(Reader, "temp_bytes", seen_by_the_warden)
    with file._lock:
        asker.start()
        until(lambda: sql in seen[:-1])
    asker.join(30)
    assert isinstance(outcomes[0], Result), outcomes[0]


def test_one_that_waits_for_it_beyond_its_time_begins_anew(
    make_bench: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It had to leave the express, and the one it waited for is gone when it is its turn."""
    monkeypatch.setattr("qasino_server.store.readers.EXPRESS_S", 0.1)
    bench = make_bench(compress_from_bytes=1)
    for _ in range(2):
        bench.publish("a", "ballast", "s text", [["x" * 3 * BLOCK_BYTES]])
        fill(bench, 1)
    until(lambda: files(tmp_path) == AWAY)
    readers, file = bench.store._readers, bench.store._snapshot.place.previous
    asks = [
        partial(bench.ask, ENDLESS.replace("1", f"{n}", 1), asker=f"{n % 2}", query_id=f"long{n}")
        for n in range(1, 4)
    ]
    askers = [threading.Thread(target=ask) for ask in asks]
    for asker in askers:
        asker.start()
    until(lambda: sum(r.job is not None for r in readers._crew if not r.express) == 3)
    outcomes: list[Any] = []
    askers.append(threading.Thread(target=lambda: outcomes.append(bench.ask(RATE, asker="c"))))
    with file._lock:
        askers[-1].start()
        until(lambda: any(job.asker == "c" and job.demoted for job in readers.running()))
    until(lambda: readers._roster.slow.waiting_for("c"))
    fill(bench, 1)
    until(lambda: not file.path.exists())
    for n in range(1, 4):
        bench.rows(f"kill long{n}")
    for asker in askers:
        asker.join(20)
    assert isinstance(outcomes[0], Result), outcomes[0]


def test_where_the_snapshot_was_removed_nothing_is_compressed_or_kept(
    away: Any, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(3):
        away.store._snapshot.place.snapshot.path.unlink()
        fill(away, 1)
        assert away.refusal("select * from prev.t") == "no such table: prev.t"
    fill(away, 2)
    assert away.rows(RATE)
    assert len(away.store._files._known) == 2
    assert "left as it was" not in caplog.text


def test_what_is_past_soon_is_not_compressed(make_bench: Any, tmp_path: Path) -> None:
    bench = make_bench(compress_from_bytes=1, compress_after_s=1000.0)
    fill(bench, 4)
    until(lambda: files(tmp_path) == PLAIN)
    last = bench.store._snapshot.place.previous
    until(lambda: (bench.store._archive._to_compress or (0, None))[1] is last)
    assert bench.rows(RATE) == [[10]]
