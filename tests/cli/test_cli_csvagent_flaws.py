"""Files that an agent cannot publish: what it says of each, and that the others do not wait."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from agent_house import House, csv_of
from wire import until

from qasino_cli.csvagent.parcel import Wrapping, pack
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
