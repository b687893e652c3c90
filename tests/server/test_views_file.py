"""The views file over every port: what it says counts for the next query, memory or not."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

import pytest
from wire import Ask, Wire, over_http, over_line, over_zmq

from qasino_server.server import Server

CHANGES = 20


@pytest.mark.parametrize("ask", [over_http, over_zmq, over_line])
def test_a_changed_view_counts_for_the_next_query(wire: Wire, tmp_path: Path, ask: Ask) -> None:
    for n in range(CHANGES):
        view = f"create view v as select 'change {n}!' as x"
        (tmp_path / "views.conf").write_text(f"- viewname: v\n  view: {view}{' ' * n}\n")
        for _ in range(2):
            assert f"change {n}!" in ask(wire, "select x from v")


def told(caplog: pytest.LogCaptureFixture) -> list[str]:
    """What was logged of views since this was asked last."""
    found = [
        record.getMessage() for record in caplog.records if record.getMessage().startswith("view")
    ]
    caplog.clear()
    return found


@pytest.fixture
def path(wire: Wire, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> Path:
    """A views file to be, whose absence was told already."""
    caplog.set_level(logging.INFO)
    over_http(wire, "select 1")
    told(caplog)
    return tmp_path / "views.conf"


def test_a_views_file_that_was_named_is_missed_until_it_is_there(
    make_server: Callable[..., Server],
    wire_to: Callable[[Server], Wire],
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    path = tmp_path / "veiws.conf"
    wire = wire_to(make_server(views_file=path))
    missed = f"views file {path}: No such file or directory; it is read as soon as it is there"
    assert told(caplog) == [missed]
    path.write_text("- {viewname: v, view: create view v as select 5 as five}")
    assert wire.rows("select five from v") == [[5]]
    assert told(caplog) == [f"views loaded file={path} views=1 broken=0"]
    path.unlink()
    over_http(wire, "select 1")
    assert told(caplog) == [f"views file {path} is gone, and its views with it"]


def test_the_usual_views_file_is_not_missed(
    make_server: Callable[..., Server],
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    make_server(views_file=Path("views.conf"))
    assert told(caplog) == []


def test_broken_views_are_counted_and_told_each_time_the_file_is_read(
    wire: Wire, path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    sound = "- {viewname: v, view: create view v as select 5 as five}\n"
    bad = "- {viewname: w, view: create view w as selec 5}\n- 7\n"
    for n in range(2):
        path.write_text(sound + bad + "#" * n)
        over_http(wire, "select 1")
        over_http(wire, "select 2")
        assert told(caplog) == [
            "view 'w' is broken: SQLError: near \"selec\": syntax error",
            "view 'item 3' is broken: it must have the keys viewname and view",
            f"views loaded file={path} views=1 broken=2",
        ]
    path.write_text("7")
    over_http(wire, "select 1")
    assert told(caplog) == [
        f"views file {path} is not used: it must be a list of items with viewname and view"
    ]


def test_a_view_that_is_broken_whatever_tables_there_are_is_told(
    wire: Wire, path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """SHOW views said so, and the log that none was broken."""
    path.write_text(
        "- {viewname: around, view: create view around as select * from About}\n"
        "- {viewname: about, view: create view about as select * from around}\n"
        "- {viewname: few, view: 'create view few as select max(1, 2) where (1, 2) = 3'}\n"
        "- {viewname: waits, view: 'create view waits as select nix, \"text\" from prev.gone'}\n"
    )
    over_http(wire, "select 1")
    assert told(caplog) == [
        "view 'around' is broken: view around is circularly defined",
        "view 'about' is broken: view about is circularly defined",
        "view 'few' is broken: row value misused",
        f"views loaded file={path} views=1 broken=3",
    ]


def test_a_directory_in_the_files_place_is_told_without_pythons_words(
    wire: Wire, path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path.unlink(missing_ok=True)
    path.mkdir()
    over_http(wire, "select 1")
    assert told(caplog)[-1] == f"views file {path} is not used: Is a directory"


def test_numbers_that_python_does_not_write_out_end_no_server(
    wire: Wire, path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Each query had a 500, and the next publication ended the writer."""
    number = "0x" + "f" * 4000
    path.write_text(f"- {{viewname: {number}, view: {number}}}\n- {number}\n- {{viewname: x}}\n")
    wire.publish("a", "t", ["n"], ["int"], [[1]])
    over_http(wire, "select 1")
    assert told(caplog) == [
        "view 'item 1' is broken: viewname and view must both be text",
        "view 'item 2' is broken: it must have the keys viewname and view",
        "view 'x' is broken: viewname and view must both be text",
        f"views loaded file={path} views=0 broken=3",
    ]


def test_a_view_of_comments_is_told_as_broken_and_holds_nobody_up(
    wire: Wire, tmp_path: Path
) -> None:
    """Each comment was tried to every end that follows: twice the time for one more."""
    comments = "".join(f"    /* {n} */ -- c\n" for n in range(60))
    (tmp_path / "views.conf").write_text(
        f"- viewname: v\n  view: |\n{comments}    select 1\n"
        f"- viewname: w\n  view: |\n{comments}    create view w as select 5 as five\n"
    )
    assert wire.rows("select five from w") == [[5]]
    told = "select errormsg from qasino_server_views where not loaded"
    assert wire.rows(told) == [["it must be a CREATE VIEW statement"]]
