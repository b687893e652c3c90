"""What stands in scripts and does more than to ask: files, commands of the shell, repetition."""

from __future__ import annotations

from command import run_qasino

from qasino_cli.console import ExitCode


def test_a_command_of_the_shell_that_ctrl_c_ended_ends_the_script(url: str) -> None:
    for command in ("kill -INT $$", "exit 130"):
        ran = run_qasino("sql", "-s", url, "--keep-going", "-q", f"\\! {command}\n\\echo on")
        assert (ran.returncode, ran.stdout, ran.stderr) == (ExitCode.INTERRUPTED, "", "")
