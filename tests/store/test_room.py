"""What publications leave free, as the file system has it at that moment."""

from __future__ import annotations

from pathlib import Path

from qasino_server.database.room import Reserve, free_bytes


def test_too_little_is_left_only_where_the_file_system_says_so(tmp_path: Path) -> None:
    """Each may need room that it does not take after all."""
    reserve = Reserve(tmp_path)
    size_bytes = free_bytes(tmp_path) // 5
    assert [reserve.can_store(size_bytes) for _ in range(10)] == [True] * 10
    assert not reserve.can_store(5 * size_bytes)
    assert reserve.can_store(size_bytes)
