"""A file of static tables that is sound, and a system that does not let it be opened."""

from __future__ import annotations

import resource
import subprocess
import sys
from pathlib import Path

import pytest

OPEN = """
import resource, sys
from pathlib import Path
from qasino_server.database.durable import DurableFile
from qasino_server.errors import StartError
resource.setrlimit(int(sys.argv[2]), (int(sys.argv[3]),) * 2)
try:
    DurableFile(Path(sys.argv[1]), 1 << 30)
except StartError as error:
    print(error.sentence)
"""
WRITE = """
import resource, sys
from pathlib import Path
from qasino_server.database.durable import DurableFile
from qasino_server.errors import ServerFault
file = DurableFile(Path(sys.argv[1]), 1 << 30)
resource.setrlimit(resource.RLIMIT_NOFILE, (3, 3))
try:
    file.drop("t")
except ServerFault as error:
    print(error.sentence)
"""
FILES, SIZE = resource.RLIMIT_NOFILE, resource.RLIMIT_FSIZE


@pytest.mark.parametrize(
    ("limit", "most", "reason"),
    [
        *((FILES, most, "Too many open files (ulimit -n, LimitNOFILE=)") for most in (3, 4, 5, 6)),
        *((SIZE, most, "File too large (ulimit -f, LimitFSIZE=)") for most in (0, 5000)),
    ],
)
def test_what_the_system_does_not_give_is_told_and_no_file_is_to_be_moved(
    tmp_path: Path, limit: int, most: int, reason: str
) -> None:
    path = tmp_path / "static.db"
    said = run(OPEN, path, limit, most)
    assert said == f"cannot open the static tables in {path}: {reason}\n"


def test_a_file_that_is_there_is_not_said_to_be_removed(tmp_path: Path) -> None:
    said = run(WRITE, tmp_path / "static.db")
    assert said.endswith("cannot be looked at: unable to open database file; nothing was stored\n")


def run(program: str, *arguments: object) -> str:
    """What a program of a process of its own prints."""
    command = [sys.executable, "-c", program, *map(str, arguments)]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=20)
    assert ran.stderr == ""
    return ran.stdout
