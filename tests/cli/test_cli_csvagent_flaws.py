"""Files that an agent cannot publish: what it says of each, and that the others do not wait."""

from __future__ import annotations

import gzip
import random
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from agent_house import HURRY, House, csv_of, write_index
from wire import until

from qasino_cli.clock import IntervalClock
from qasino_cli.connection import Connection
from qasino_cli.csvagent.catalogue import Assignment, Catalogue
from qasino_cli.csvagent.courier import Courier
from qasino_cli.csvagent.followed import LARGE_BYTES
from qasino_cli.csvagent.journal import Journal
from qasino_cli.csvagent.parcel import Wrapping, pack
from qasino_cli.csvagent.report import rows_of
from qasino_server.server import Server

ME = Wrapping("me")
BAD = "1\nt\na,b\nint,int\nA,B\n1,2\n3,x\n"


@pytest.fixture(scope="module")
def shared(make_module_server: Callable[..., Server]) -> Server:
    return make_module_server()


@pytest.fixture
def house(shared: Server) -> Iterator[House]:
    """A server with nothing in it, not even a schema that it remembers."""
    for _ in range(2):
        shared.rotate()
    with ExitStack() as stack:
        yield House(shared, stack)


def test_a_packed_file_is_unpacked_to_what_a_server_takes_and_no_further() -> None:
    packed = pack("/d/t.csv", gzip.compress(b"1,2\n" * (17 << 20), 1), None, ME)
    assert packed.flaw is not None
    assert (packed.value, packed.flaw.line) == (None, 1)
    assert packed.flaw.sentence.startswith("it unpacks to over 64 MiB; publish parts of it under")


@pytest.mark.parametrize(
    ("body", "line", "sentence"),
    [
        (b"1\n", 2, "line 2 is missing, it holds the table name"),
        (b"1\nt,u\n", 2, "line 2 holds the table name alone, not 2 cells"),
        (b"1\nno-name\n", 2, "tablename: 'no-name' is not a legal name"),
        (b"1\nt\na\nint\nA\n1,2\n", 6, "the row has 2 cells, the table has 1 columns"),
        (b"a,b\n1\n", 2, "the row has 1 field, the header 2"),
        (b'"1"\n"t"\n', 3, "line 3 is missing, it holds the column names"),
        (b'"1","identity=h"\n', 2, "line 2 is missing, it holds the table name"),
        (b"1;;\nt;;\na;b;c\nint;int;int\n;;\n", 1, "'1;;' has semicolons, a Qasino CSV table"),
    ],
)
def test_a_line_is_told_apart_from_the_sentence_unless_it_is_its_subject(
    body: bytes, line: int, sentence: str
) -> None:
    flaw = pack("/d/t.csv", body, None, ME).flaw
    assert flaw is not None
    assert (flaw.line, flaw.sentence[: len(sentence)]) == (line, sentence)


@pytest.mark.parametrize("given", [None, "qasino_server_x"])
def test_a_reserved_name_is_not_told_by_a_key_of_the_message(given: str | None) -> None:
    flaw = pack("/d/qasino_server_x.csv", b"a\n1\n", given, ME).flaw
    assert str(flaw).startswith("the table: 'qasino_server_x' is reserved, names that begin")


def test_options_that_an_agent_does_not_have_are_not_advised() -> None:
    """Its --table leaves out every other table."""
    for name in ("日本.csv", "sqlite_x.csv"):
        flaw = pack(f"/d/{name}", b"a,b\n1,2\n", None, ME).flaw
        assert flaw is not None
        assert "--" not in flaw.sentence


@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_a_table_that_a_spreadsheet_has_saved_is_no_plain_csv(mark: bytes, end: bytes) -> None:
    for lines in (
        [b"1,,", b"u,,", b"n,m,o", b"int,int,int", b"N,,", b"1,2,3"],
        [b'"1"', b'"u"', b'"n","m"', b'"int","int"', b'"N",""', b'"1","2"'],
    ):
        parcel = pack("/d/t.csv", mark + end.join([*lines, b""]), None, ME).value
        assert parcel is not None
        assert (parcel.tablename, parcel.nr_rows) == ("u", 1)


def test_names_in_quotes_may_begin_with_1() -> None:
    parcel = pack("/d/t.csv", b'"1","2"\n"3","4"\n', "t", ME).value
    assert parcel is not None
    assert b'"column_names":["_1","_2"]' in parcel.message


@pytest.mark.parametrize("start", [b'{"a": 1}', b'[{"a": 1}]'])
def test_a_byte_order_mark_makes_no_csv_of_what_is_none(start: bytes) -> None:
    for mark in (b"", b"\xef\xbb\xbf", b"\xef\xbb\xbf\n"):
        parcel = pack("/d/t.csv", mark + start + b"\n", None, ME).value
        assert parcel is not None
        assert b'"column_names":["a"],"column_types":["integer"]' in parcel.message


def test_a_table_that_is_too_wide_with_the_identity_has_a_flaw() -> None:
    names = ",".join(f"c{n}" for n in range(2000))
    body = f"{names}\n{','.join('1' * 2000)}\n".encode()
    assert pack("/d/t.csv", body, None, ME).value is not None
    flaw = pack("/d/t.csv", body, None, Wrapping("me", identity_column=True)).flaw
    assert str(flaw) == "the table has 2001 columns, the most is 2000"


@pytest.mark.parametrize(("option", "state"), [("static=1", "broken"), ("static=0", "ok")])
def test_a_static_table_is_published_from_one_file_whatever_the_identities(
    tmp_path: Path, option: str, state: str
) -> None:
    for who in "ab":
        text = csv_of("t", [1], line_1=f"1,{option},identity={who}")
        (tmp_path / f"{who}.csv").write_text(text)
    catalogue = Catalogue(Assignment(wrapping=ME, directories=[str(tmp_path)]), HURRY)
    catalogue.look(0.0, hasty=True)
    first, second = rows_of(catalogue, None)
    assert (first.state, second.state) == ("ok", state)
    if state == "broken":
        assert second.error == f"table 't' is published from {first.path} already"


def test_a_file_that_comes_later_takes_no_table_though_nothing_was_published_yet(
    tmp_path: Path,
) -> None:
    """It was first in the order of names, and the server away."""
    earlier, later = tmp_path / "one.csv", tmp_path / "ONE.csv"
    earlier.write_text(csv_of("t", [1]))
    catalogue = Catalogue(Assignment(wrapping=ME, directories=[str(tmp_path)]), HURRY)
    catalogue.look(0.0, hasty=True)
    later.write_text(csv_of("t", [2]))
    catalogue.glance(1.0)
    catalogue.look(1.0, hasty=True)
    states = {row.path: row.state for row in rows_of(catalogue, None)}
    assert states == {str(earlier): "ok", str(later): "broken"}


def test_a_file_that_is_renamed_inside_takes_no_table_from_another(tmp_path: Path) -> None:
    for name in "ab":
        (tmp_path / f"{name}.csv").write_text(csv_of(name, [1]))
    catalogue = Catalogue(Assignment(wrapping=ME, directories=[str(tmp_path)]), HURRY)
    catalogue.look(0.0, hasty=True)
    (tmp_path / "a.csv").write_text(csv_of("b", [2]))
    catalogue.forget()
    catalogue.look(1.0, hasty=True)
    assert [row.state for row in rows_of(catalogue, None)] == ["broken", "ok"]


def test_others_do_not_wait_while_large_files_are_read(house: House, tmp_path: Path) -> None:
    body = "a,b\n" + f"1,{'x' * 500}\n" * (LARGE_BYTES // 500)
    for name, text in (("a", body), ("b", body), ("small", csv_of("small", [1]))):
        (tmp_path / f"{name}.csv").write_text(text)
    written = (tmp_path / "small.csv").stat().st_ctime
    until(lambda: time.time() - written > HURRY.settle_s)  # then none of them is waited for
    house.agent(directories=[tmp_path])
    for name in ("a", "b", "small"):
        house.until_file(tmp_path / f"{name}.csv", state="ok")
    published = dict(house.maybe('select "table", published_at from qasino_agent_files') or [])
    read = dict(house.maybe("select tablename, read_epoch from qasino_csvpublisher_tables") or [])
    assert published["small"] < read["a"]
    assert published["a"] < read["b"]


# --- In the log -----------------------------------------------------------------------------


def test_the_log_has_each_turn_of_a_file_that_was_never_sound(
    house: House, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    path = tmp_path / "t.csv"
    path.write_text(BAD)
    house.agent(directories=[tmp_path])
    house.until_file(path, state="broken")
    for text, state in (
        *((csv_of("t", [1]), "ok"), (BAD, "broken")),
        *((csv_of("u", [1]), "ok"), (BAD, "broken")),
    ):
        path.write_text(text)
        house.until_file(path, state=state)
    path.unlink()
    until(lambda: f"{path}: not followed any more" in caplog.text)
    told = [line.message.split(": ")[1] for line in caplog.records if str(path) in line.message]
    assert told == ["broken", "ok", "broken", "ok", "broken", "not followed any more"]


def test_two_indexes_that_name_one_file_and_table_are_told_of_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    (tmp_path / "t.csv").write_text(csv_of("t", [1]))
    indexes = [str(write_index(tmp_path / name, "t")) for name in ("one", "two")]
    catalogue = Catalogue(Assignment(wrapping=ME, indexes=indexes), HURRY)
    catalogue.look(0.0, hasty=True)
    journal = Journal()
    for _ in range(3):
        journal.note(rows_of(catalogue, None))
    (told,) = [line.message for line in caplog.records if "t.csv" in line.message]
    assert "t.csv: broken: table 't' is published from" in told


@pytest.mark.parametrize(("nr", "nr_lines"), [(4, 4), (5, 1)])
def test_files_with_the_same_news_share_a_line_where_they_are_many(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, nr: int, nr_lines: int
) -> None:
    for n in range(nr):
        (tmp_path / f"t{n}.csv").write_text(BAD)
    catalogue = Catalogue(Assignment(wrapping=ME, directories=[str(tmp_path)]), HURRY)
    catalogue.look(0.0, hasty=True)
    Journal().note(rows_of(catalogue, None))
    told = [line.message for line in caplog.records if "broken" in line.message]
    assert len(told) == nr_lines
    if nr_lines == 1:
        assert told[0].startswith(f"{nr} files, {tmp_path}/t")


def test_a_refusal_that_only_counts_on_is_told_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "t.csv").write_text(csv_of("t", [1]))
    catalogue = Catalogue(Assignment(wrapping=ME, directories=[str(tmp_path)]), HURRY)
    catalogue.look(0.0, hasty=True)
    (table,) = catalogue.tables
    journal = Journal()
    for sentence in ("it has 498 rows", "it has 499 rows", "it has no room", "it has 500 rows"):
        table.refusal = sentence
        journal.note(rows_of(catalogue, None))
    told = [line.message.partition("refused: ")[2] for line in caplog.records]
    assert told == ["it has 498 rows", "it has no room", "it has 500 rows"]


class Counting(Courier):
    """Counts what it was given to send."""

    nr_given = 0

    def send(self, message: bytes) -> None:
        self.nr_given += 1
        super().send(message)


def test_that_the_own_tables_are_refused_is_told_once(
    make_server: Callable[..., Server],
    house: House,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    users = tmp_path / "users.yaml"
    users.write_text("users: {ann: {tokens: [t], roles: [read]}}")
    port = make_server(users_file=users).ports["http"]
    connection = Connection(scheme="http", host="127.0.0.1", port=port, token="t")
    courier = Counting(connection, HURRY, random.Random(1))
    clock = IntervalClock(0.05)
    house.agent(directories=[tmp_path], courier=courier, clock=clock, start=False)
    until(lambda: courier.nr_given > 5)
    assert caplog.text.count("the agent's own tables were refused") == 1
