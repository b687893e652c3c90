"""One followed file: when it is judged, what stays in force, and what is told of it."""

from __future__ import annotations

import math
import mmap
import os
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from agent_house import HURRY

from qasino_cli.csvagent.followed import (
    ABSENT,
    LARGE_BYTES,
    LARGE_S,
    MAX_FILE_BYTES,
    Flaw,
    FollowedFile,
    Judgement,
    sight_of,
)

Followed = FollowedFile[bytes]


def parse(body: bytes) -> Judgement[bytes]:
    """Everything is sound but what is empty or has a question mark in it."""
    if not body or b"?" in body:
        return Judgement(flaw=Flaw("this is no answer"))
    return Judgement(body)


def followed(path: Path) -> Followed:
    """A file with a first judgement, at the time 0."""
    file = Followed(str(path), parse, HURRY)
    assert file.look(0.0, hasty=True)
    return file


@pytest.fixture
def path(tmp_path: Path) -> Path:
    made = tmp_path / "t.csv"
    made.write_text("a\n")
    return made


def test_a_file_below_what_is_no_directory_is_missing(path: Path) -> None:
    assert sight_of(f"{path}/t.csv") == ABSENT


def test_as_much_as_a_server_takes_is_not_too_large(path: Path) -> None:
    os.truncate(path, MAX_FILE_BYTES)
    assert sight_of(str(path)).reason == ""
    os.truncate(path, MAX_FILE_BYTES + 1)
    assert sight_of(str(path)).reason.startswith("it has over 64 MiB")


def test_a_file_that_was_left_alone_long_ago_is_judged_at_the_first_look(path: Path) -> None:
    old = Followed(__file__, parse, HURRY)
    assert old.look(0.0)
    young = Followed(str(path), parse, HURRY)
    os.utime(path)
    assert not young.look(0.0)
    assert young.look(HURRY.settle_s)


def test_events_that_go_on_put_a_look_off_for_so_long_and_no_longer(path: Path) -> None:
    file = followed(path)
    first = now = 1.0
    file.heard(now)
    while now < file.look_at:
        now += HURRY.quiet_s / 2
        file.heard(now)
    assert HURRY.patience_s <= now - first <= HURRY.patience_s + HURRY.quiet_s


@pytest.mark.skipif(not os.path.isdir("/dev/shm"), reason="no file system in memory")
def test_a_file_that_an_event_tells_of_is_read_though_it_looks_unchanged() -> None:
    """As a write through a mapping that stays open leaves it there."""
    with tempfile.TemporaryDirectory(dir="/dev/shm") as name:
        path = Path(name) / "t.csv"
        path.write_text("a\n")
        with open(path, "r+b") as opened, mmap.mmap(opened.fileno(), 0) as mapped:
            mapped[0] = ord("b")
            file = followed(path)
            before = sight_of(str(path))
            mapped[0] = ord("c")
            assert sight_of(str(path)) == before
            file.heard(1.0)
            assert file.look(file.look_at)
            assert file.value == b"c\n"


def test_an_event_tells_of_one_write_and_not_of_the_next(path: Path) -> None:
    file = followed(path)
    path.write_text("b\n")
    file.heard(1.0)
    assert file.look(file.look_at)
    path.write_text("b\nc\n")  # nobody has told that there is no more to come
    settled(file, 2.0)
    assert file.value == b"b\nc\n"


def test_what_took_long_to_read_is_large(path: Path) -> None:
    """As a small file that unpacks to much."""
    slowness = threading.Event()

    def parse_slowly(body: bytes) -> Judgement[bytes]:
        slowness.wait(LARGE_S)
        return Judgement(body)

    file = Followed(str(path), parse_slowly, HURRY)
    assert not file.large
    assert file.look(0.0, hasty=True)
    assert file.large


@pytest.mark.parametrize(("size", "look_at"), [(LARGE_BYTES, 1.0), (LARGE_BYTES + 1, math.inf)])
def test_a_large_file_that_looks_unchanged_is_not_read_again(
    path: Path, size: int, look_at: float
) -> None:
    os.truncate(path, size)
    file = followed(path)
    file.reread(1.0)
    assert file.look_at == look_at


def test_an_empty_file_that_goes_is_missing(path: Path) -> None:
    path.write_text("")
    file = followed(path)
    path.unlink()
    settled(file, 1.0)
    assert (file.missing, str(file.flaw)) == (True, "no such file")


def test_what_could_not_be_read_and_is_empty_by_now_is_judged_anew(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.mkdir()
    file = followed(path)
    assert (str(file.flaw), file.mtime) == ("this is not a regular file", None)
    path.rmdir()
    path.touch()
    settled(file, 1.0)
    assert str(file.flaw) == "this is no answer"


def test_a_file_without_its_last_line_end_is_waited_for_though_it_was_closed(path: Path) -> None:
    """As a shell leaves it between two commands that write into it."""
    file = followed(path)
    path.write_text("b\n1")
    file.heard(1.0)
    assert not file.look(file.look_at)
    assert file.value == b"a\n"
    path.write_text("b\n12\n")
    file.heard(1.1)
    assert file.look(file.look_at)
    assert file.value == b"b\n12\n"
    path.write_text("b\n1")
    settled(file, 2.0)
    assert file.value == b"b\n1"


def test_what_looks_broken_when_it_is_closed_is_told_of_once_it_rests(path: Path) -> None:
    """Its writer may close it more than once."""
    file = followed(path)
    path.write_text("b?\n")
    file.heard(1.0)
    assert not file.look(file.look_at)
    assert file.flaw is None
    assert file.look(1.0 + 2 * HURRY.settle_s)
    assert (str(file.flaw), file.value) == ("this is no answer", b"a\n")


def test_what_is_wrong_with_a_file_that_keeps_changing_is_told(path: Path) -> None:
    file = followed(path)
    now = 1.0
    while file.flaw is None:
        with open(path, "a") as writer:
            writer.write("?")
        file.glance(now)
        file.look(now)
        now += HURRY.settle_s / 3
    assert str(file.flaw) == "this is no answer"
    assert file.value == b"a\n"


def test_what_has_come_to_rest_is_not_said_to_keep_changing(path: Path) -> None:
    """Though it did so for as long as it is waited for."""
    file = followed(path)
    for now in (1.0, 1.0 + HURRY.patience_s - HURRY.settle_s):
        with open(path, "a") as writer:
            writer.write("b")
        file.glance(now)
    assert file.look(1.01 + HURRY.patience_s)
    assert (file.flaw, file.value) == (None, b"a\nbb")


def test_a_touch_of_a_broken_file_makes_its_last_good_table_no_younger(path: Path) -> None:
    os.utime(path, (5, 5))
    file = followed(path)
    path.write_text("?\n")
    settled(file, 1.0)
    os.utime(path, (9, 9))
    settled(file, 2.0)
    assert (file.mtime, file.value_mtime, file.value) == (9, 5, b"a\n")


def test_what_is_written_while_a_file_is_read_is_found_at_the_next_glance(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its writer may keep it open, so that no event tells of it."""
    file = followed(path)
    path.write_text("b\n")
    file.glance(1.0)
    sights = 0

    def while_it_is_read(take: Callable[..., Any]) -> Callable[..., Any]:
        def taken(*where: Any, **how: Any) -> Any:
            nonlocal sights
            sights += 1
            if sights == 3:  # it was seen by its name and when it was opened
                path.write_text("b\nc\n")
            return take(*where, **how)

        return taken

    with monkeypatch.context() as patched:
        for name in ("stat", "fstat"):
            patched.setattr(os, name, while_it_is_read(getattr(os, name)))
        file.look(1.0 + 2 * HURRY.settle_s)
    assert path.read_text() == "b\nc\n"
    settled(file, 2.0)
    assert file.value == b"b\nc\n"


def settled(file: Followed, now: float) -> None:
    """Have it looked at from outside, and judged once it has rested."""
    file.glance(now)
    assert not file.look(now)
    assert file.look(now + 2 * HURRY.settle_s)
