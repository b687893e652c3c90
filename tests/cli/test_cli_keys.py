"""`qasino keys`: what it makes, and what it never overwrites."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from command import run_qasino

from qasino_cli.console import ExitCode
from qasino_server.curve_keys import read_pair, read_public_key


def test_pairs_are_made_and_their_public_keys_printed(tmp_path: Path) -> None:
    ran = run_qasino("keys", tmp_path / "curve" / "server", tmp_path / "web-1")
    server, web = tmp_path / "curve" / "server", tmp_path / "web-1"
    pairs = [read_pair(Path(f"{stem}.key_secret")) for stem in (server, web)]
    assert ran.stdout == "".join(f"{pair.public}\n" for pair in pairs)
    assert ran.stderr == "".join(
        f"made {stem}.key_secret, to keep, and {stem}.key, to hand out\n" for stem in (server, web)
    )
    assert ran.returncode == ExitCode.OK
    assert read_public_key(Path(f"{web}.key")) == pairs[1].public


def test_a_tilde_is_the_home(tmp_path: Path) -> None:
    ran = run_qasino("keys", "~/keys/ann", HOME=str(tmp_path))
    stem = tmp_path / "keys" / "ann"
    assert ran.stderr == f"made {stem}.key_secret, to keep, and {stem}.key, to hand out\n"
    assert read_pair(Path(f"{stem}.key_secret")).public == ran.stdout.strip()


def test_a_key_that_is_there_stays(tmp_path: Path) -> None:
    (tmp_path / "ann.key").write_text("somebody's")
    ran = run_qasino("keys", tmp_path / "ann")
    assert (ran.returncode, ran.stdout) == (ExitCode.USAGE, "")
    assert ran.stderr == f"{tmp_path}/ann.key: File exists; no key was made\n"
    assert (tmp_path / "ann.key").read_text() == "somebody's"
    assert not (tmp_path / "ann.key_secret").exists()


@pytest.mark.parametrize("name", ["", "..", "keys/", "~", "~/"])
def test_a_name_that_is_none_makes_nothing(name: str) -> None:
    ran = run_qasino("keys", name)
    assert ran.returncode == ExitCode.USAGE
    assert ran.stderr == f"{name!r} does not name a pair of keys; give a name such as web-1\n"


def test_a_pair_for_which_there_is_no_room_leaves_nothing(tmp_path: Path) -> None:
    code = (
        "import resource, signal, sys\n"
        "from pathlib import Path\n"
        "from qasino_server.curve_keys import make_pair\n"
        "from qasino_server.errors import BadRequest\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))\n"
        "try: make_pair(Path(sys.argv[1]))\n"
        "except BadRequest as error: print(error.sentence)\n"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "ann")]
    ran = subprocess.run(command, capture_output=True, text=True, check=True)
    assert ran.stdout == f"{tmp_path}/ann: File too large; no key was made\n"
    assert list(tmp_path.iterdir()) == []


def test_half_a_pair_does_not_stay(tmp_path: Path) -> None:
    (tmp_path / "ann.key").symlink_to(tmp_path / "nowhere")
    ran = run_qasino("keys", tmp_path / "ann")
    assert ran.stderr == f"{tmp_path}/ann.key: File exists; no key was made\n"
    assert [path.name for path in tmp_path.iterdir()] == ["ann.key"]
