"""Whether a file has changed: one that could not be read may have become readable."""

from __future__ import annotations

from pathlib import Path

from wire import until

from qasino_server.stamp import stamp_of


def test_a_file_whose_mode_changed_has_changed(tmp_path: Path) -> None:
    path = tmp_path / "users.yaml"
    path.write_text("users: {}")
    before = stamp_of(path)

    def changed() -> bool:
        path.chmod(0o600)
        path.chmod(0o644)
        return stamp_of(path) != before

    assert stamp_of(path) == before
    until(changed)  # the clock of a file system has its ticks
