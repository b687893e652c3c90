"""A real store in a temporary directory, and a laboratory bench to work at it."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import apsw
import pytest
from handed_in import publication
from wire import until

from qasino_server.database.generation import Generation
from qasino_server.database.generation_file import GenerationFile
from qasino_server.database.room import Reserve
from qasino_server.database.snapshot import Overlay, Place, SnapshotConnection
from qasino_server.errors import QasinoError
from qasino_server.heartbeat import next_number
from qasino_server.publication_rules import name_value_from_params
from qasino_server.store import QueryRequest, Store, StoreSettings
from qasino_server.table import Publication, Receipt, Result, check_columns
from qasino_server.wakeup import Turn


class Bench:
    """Publish, rotate, query; every answer is waited for."""

    def __init__(self, store: Store, first_number: int) -> None:
        self.store = store
        self.number = first_number
        self._sealed: list[Path] = []
        """What the open generation is to carry from, where that is to come later."""

    def publish(
        self, identity: str, table: str, columns: str, rows: Any, **flags: Any
    ) -> Receipt | QasinoError:
        """Publish; `columns` are written "a int, b text"."""
        try:
            made = publication(identity, table, columns, rows, **flags)
        except QasinoError as error:
            return error
        return self.hand_in(made)

    def set(self, identity: str, name: str, value: str) -> Receipt | QasinoError:
        """name_value_update."""
        params = {"identity": identity, "name": name, "value": value}
        return self.hand_in(name_value_from_params(params))

    def hand_in(self, publication: Publication) -> Receipt | QasinoError:
        answers: list[Receipt | QasinoError] = []
        arrived = threading.Event()

        def done(outcome: Receipt | QasinoError) -> None:
            answers.append(outcome)
            arrived.set()

        self.store.publish(publication, "test", done)
        assert arrived.wait(20)
        return answers[0]

    def together(self, batch: Sequence[Publication]) -> list[Receipt | QasinoError]:
        """Hand them in while the writer is held, so that they are one batch for it."""
        held, go_on, answered = threading.Event(), threading.Event(), threading.Event()
        outcomes: dict[int, Receipt | QasinoError] = {}

        def hold(path: Path) -> None:
            held.set()
            assert go_on.wait(20)

        def done(place: int, outcome: Receipt | QasinoError) -> None:
            outcomes[place] = outcome
            if len(outcomes) == len(batch):
                answered.set()

        self.store._writer.look(hold)
        assert held.wait(20)
        for place, one in enumerate(batch):
            self.store.publish(one, "test", partial(done, place))
        go_on.set()
        assert answered.wait(20)
        return [outcomes[place] for place in range(len(batch))]

    def drop(self, table: str, identity: str | None = None) -> str | QasinoError:
        answers: list[str | QasinoError] = []
        arrived = threading.Event()
        self.store.drop_table(table, identity, lambda o: (answers.append(o), arrived.set())[0])
        assert arrived.wait(20)
        return answers[0]

    def ask(self, sql: str, **keys: Any) -> Result | QasinoError:
        """The outcome of a query, typed unless said otherwise."""
        answers: list[Result | QasinoError] = []
        arrived = threading.Event()

        def done(outcome: Result | QasinoError) -> None:
            answers.append(outcome)
            arrived.set()

        request = {"form": "typed", "port": "test", "peer": "test", **keys}
        self.store.query(QueryRequest(sql=sql, **request), done)
        assert arrived.wait(40)
        return answers[0]

    def rows(self, sql: str, **keys: Any) -> list[list[Any]]:
        """The rows of a query that must work."""
        outcome = self.ask(sql, **keys)
        assert isinstance(outcome, Result), outcome
        return json.loads(outcome.rows_json or "[]")

    def refusal(self, sql: str, **keys: Any) -> str:
        """The sentence of a query that must fail."""
        outcome = self.ask(sql, **keys)
        assert isinstance(outcome, QasinoError), outcome
        return outcome.sentence

    def columns(self, table: str) -> list[list[str]]:
        """[name, type] of a table's columns."""
        return self.rows(f"desc {table}")

    def rotate(self) -> int:
        """Rotate by hand; the number of the new snapshot."""
        self.number = next_number(self.number)
        self.store.rotate(self.number)
        return self.store.generation_number

    def exchange(self) -> Path:
        """The next generation takes what comes; the file to be carried from, which yet is not."""
        store, self.number = self.store, self.number + 1
        retired = store._writer.exchange(store._files.new_generation(self.number), self.number)
        retired.generation.seal()
        return retired.generation.path

    def rotate_and_carry_later(self) -> None:
        """Rotate by hand; what lives on is carried once it is asked for."""
        writer = self.store._writer
        writer.carry_from = self._sealed.append
        self.rotate()
        del writer.carry_from

    def carry_late(self) -> None:
        """Carry it, if that is still to be done, and wait until it is."""
        while self._sealed:
            self.carry(self._sealed.pop())

    def carry(self, sealed: Path) -> None:
        """The file is sealed; what was to be carried from it is."""
        self.store._writer.carry_from(sealed)
        assert self.store._writer.carried.wait(20)


class Port:
    """What a port does with a store: hand in, end its turn; and who answered, the thread's name."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.turn = Turn()
        self.turn.carry()
        self.answers: list[tuple[str, Any]] = []
        """(who, what) in the order in which it was answered."""

    def hand_in(self, *things: Publication | QueryRequest) -> None:
        """Publications and queries, without ending the turn."""
        for thing in things:
            if isinstance(thing, Publication):
                self.bench.store.publish(thing, "test", self._answered)
            else:
                self.bench.store.query(thing, self._answered)

    def _answered(self, outcome: Any) -> None:
        self.answers.append((threading.current_thread().name, outcome))

    def end(self) -> None:
        """End turns until there is nothing left to do."""
        while self.turn.end():
            pass

    def outcome_of(self, thing: Publication | QueryRequest) -> tuple[str, Any]:
        """Who answered it, and what."""
        self.answers.clear()
        self.hand_in(thing)
        self.end()
        ((who, outcome),) = until(lambda: self.answers)
        return who, outcome


@pytest.fixture
def at_port() -> Any:
    """Act in a thread of the name "port" that receives for the store of a bench."""

    def run(bench: Bench, act: Callable[[Port], None]) -> None:
        failures: list[BaseException] = []

        def body() -> None:
            try:
                act(Port(bench))
            except BaseException as error:
                failures.append(error)

        thread = threading.Thread(target=body, name="port")
        thread.start()
        thread.join(60)
        assert not thread.is_alive()
        if failures:
            raise failures[0]

    return run


def settings_in(place: Path) -> dict[str, Any]:
    """Settings of a store that keeps everything in `place`."""
    return {
        "identity": "server",
        "duration_s": 30,
        "db_dir": place / "db",
        "static_db": place / "static.db",
        "archive_dir": None,
        "archive_keep": 3,
        "views_file": place / "views.conf",
        "query_timeout_s": 20.0,
        "max_rows": 100_000,
        "max_result_bytes": 64 << 20,
        "max_body_bytes": 64 << 20,
        "forget_after_s": 3600.0,
        "compress_after_s": 0.0,
    }


@pytest.fixture
def store_settings(tmp_path: Path) -> dict[str, Any]:
    """Settings of the store; a test may change them before it asks for a bench."""
    return settings_in(tmp_path)


@contextmanager
def benches(store_settings: Callable[[], dict[str, Any]]) -> Iterator[Callable[..., Bench]]:
    """Starts stores, each with settings that differ as is said then; all stop at the end."""
    opened: list[Store] = []

    def make(**changes: Any) -> Bench:
        deaths: list[str] = []
        store = Store(
            StoreSettings(**{**store_settings(), **changes}),
            lambda name, error: deaths.append(name),
        )
        opened.append(store)
        number = next_number(0)
        store.start(number)
        return Bench(store, number)

    yield make
    for store in opened:
        store.stop(5.0)


@pytest.fixture
def make_bench(store_settings: dict[str, Any]) -> Iterator[Any]:
    """Start a store; any number of them, one after the other or at once."""
    with benches(lambda: store_settings) as make:
        yield make


@pytest.fixture(scope="module")
def make_module_bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """As `make_bench`, for stores that tests of a file share; each in its own directory."""
    with benches(lambda: settings_in(tmp_path_factory.mktemp("store"))) as make:
        yield make


@pytest.fixture
def bench(make_bench: Any) -> Bench:
    """A bench at a store with default settings."""
    made: Bench = make_bench()
    return made


@pytest.fixture
def merging_bench(bench: Bench) -> Any:
    """One store for all examples of a property, a table of its own for each."""
    numbers = iter(range(10**6))
    return lambda: (bench, f"merged_{next(numbers)}")


@pytest.fixture(scope="module")
def on(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A connection to a sealed generation with a little of everything."""
    directory = tmp_path_factory.mktemp("answer")
    generation = Generation(directory / "g.db")
    columns = check_columns(("id", "grp", "val", "txt"), ("int", "text", "real", "text"))
    rows = [[n, f"g{n % 3}", n / 7, f"é{n}\n"] for n in range(50)] + [[None, None, None, None]]
    with generation.transaction:
        generation.write_table("t", columns, rows)
        generation.write_table("u", check_columns(("id", "w"), ("int", "text")), [[1, "x"]])
    generation.seal()
    static = directory / "static.db"
    made = apsw.Connection(str(static))
    made.execute("create table s(a)")
    made.close()
    place = Place(GenerationFile(directory / "g.db", Reserve(directory)), None, static)
    connection = SnapshotConnection(place, Overlay(0), 1 << 26)
    yield connection
    connection.close()


@pytest.fixture
def prepared(on: Any) -> Any:
    """A SELECT in it for each that SQLite has been asked to prepare on `on` since."""
    noted: list[int] = []
    judge = on.sandbox._authorize

    def watch(action: int, *of: Any) -> int:
        if action == apsw.SQLITE_SELECT:
            noted.append(action)
        return int(judge(action, *of))

    on.connection.authorizer = watch
    yield noted
    on.sandbox.close_in()
