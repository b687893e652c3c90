"""What publications leave free, as the file system has it at that moment."""

from __future__ import annotations

import os
from pathlib import Path

import apsw
import pytest

from qasino_server.database import room
from qasino_server.database.generation import Generation
from qasino_server.database.room import Reserve, free_bytes, share_of_room
from qasino_server.errors import Busy, Full
from qasino_server.store import faults


@pytest.mark.parametrize(
    ("free_mib", "share_mib"), [(0, 0), (6, 2), (15, 5), (48, 16), (60, 16), (400, 100)]
)
def test_a_generation_may_take_a_quarter_of_what_is_free_or_a_third_of_little(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free_mib: int, share_mib: int
) -> None:
    monkeypatch.setattr(room, "free_bytes", lambda directory: free_mib << 20)
    assert share_of_room(tmp_path) == share_mib << 20


@pytest.mark.parametrize("mount_point", [b"", rb"/\040", b"/caf\xe9"])
def test_in_memory_a_generation_may_take_a_quarter_of_that(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mount_point: bytes
) -> None:
    """Whoever may mount something chooses names: the kernel writes a blank otherwise, and no
    encoding is asked for."""
    monkeypatch.setattr(room, "free_bytes", lambda directory: 400 << 20)
    monkeypatch.setattr(room, "available_memory_bytes", lambda: 200 << 20)
    told, place = tmp_path / "mounts", os.fsencode(tmp_path) + mount_point
    told.write_bytes(b"disk / ext4 rw 0 0\nours %b tmpfs rw 0 0\n" % place)
    directory = Path(os.fsdecode(place.replace(rb"\040", b" ")))
    assert share_of_room(directory, told) == 50 << 20
    assert share_of_room(tmp_path.parent, told) == 100 << 20


def test_too_little_is_left_only_where_the_file_system_says_so(tmp_path: Path) -> None:
    """Each may need room that it does not take after all."""
    reserve = Reserve(tmp_path)
    size_bytes = free_bytes(tmp_path) // 5
    assert [reserve.can_store(size_bytes) for _ in range(10)] == [True] * 10
    assert not reserve.can_store(5 * size_bytes)
    assert reserve.can_store(size_bytes)


def test_publications_leave_room_to_carry_what_the_open_file_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At a rotation all other files go where they have to; what is owed has to fit beside them."""
    reserve = Reserve(tmp_path)
    names = ("prev", "snapshot", "open")
    for name, size_mib in zip(names, (1, 4, 6), strict=True):
        (tmp_path / name).write_bytes(bytes(size_mib << 20))

    def left(free_mib: int, owed: str | None = None) -> tuple[bool, bool]:
        """Whether a publication is taken, and whether a generation could be finished."""
        monkeypatch.setattr(room, "free_bytes", lambda directory: free_mib << 20)
        reserve.collects(tmp_path / "open", tmp_path / owed if owed else None)
        return reserve.can_store(0), reserve.can_finish()

    assert [left(free_mib) for free_mib in (1, 2, 3)] == [
        (False, True),
        (False, True),
        (True, True),
    ]
    owed = [left(free_mib, "snapshot") for free_mib in (4, 5, 10, 11)]
    assert owed == [(False, False), (False, True), (False, True), (True, True)]
    reserve.carried(3 << 20)
    assert [reserve.can_finish(after_mib << 20) for after_mib in (9, 10)] == [True, False]
    assert left(4, "snapshot") == (False, False)  # of another one nothing is carried yet


@pytest.mark.parametrize(
    ("free", "kind", "words"),
    [
        ((1 << 20) + 1, Full, "the most (--max-generation-bytes)"),
        (1 << 20, Busy, "the server has no room to store this now (it is full)"),
        (0, Busy, "the server has no room to store this now (it is full)"),
    ],
)
def test_that_the_disk_is_full_is_told_from_the_bound_of_a_generation(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free: int, kind: type[Exception], words: str
) -> None:
    """SQLite says the same of both."""
    generation = Generation(tmp_path / "g.db")
    monkeypatch.setattr(faults, "free_bytes", lambda directory: free)
    told = faults.disk_fault(apsw.FullError("it is full"), generation)
    assert type(told) is kind
    assert words in told.sentence
    generation.seal()
