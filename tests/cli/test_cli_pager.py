"""Long results in the user's pager, in a real terminal."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator

import pexpect
import pytest
from command import TIMEOUT_S, clean_environment

from qasino_cli.sql.pager import pager_command

SHOW = """\
import sys
from qasino_cli.sql import pager
configured = sys.argv[2] if len(sys.argv) > 2 else None
pager.show([f"line {n}" for n in range(int(sys.argv[1]))], configured)
print("AND ON", file=sys.stderr)
"""

Terminal = Callable[..., "pexpect.spawn[str]"]


@pytest.fixture
def in_terminal() -> Iterator[Terminal]:
    """Shows so many lines in a terminal of 40 columns and 10 lines."""
    started: list[pexpect.spawn[str]] = []

    def start(*arguments: object, show: str = SHOW, **variables: str) -> pexpect.spawn[str]:
        environment = clean_environment(TERM="xterm", LINES="10", **variables)
        for name in {"LESS", "PAGER", "QASINO_PAGER"} - variables.keys():
            environment.pop(name, None)
        child = pexpect.spawn(
            sys.executable,
            ["-c", show, *map(str, arguments)],
            env=environment | {"COLUMNS": "40"},
            dimensions=(10, 40),
            encoding="utf-8",
            timeout=TIMEOUT_S,
        )
        started.append(child)
        return child

    yield start
    for child in started:
        child.close(force=True)


def ends(child: pexpect.spawn[str]) -> str:
    """All that comes until the process has ended well."""
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 0
    return child.before or ""


def test_what_fits_is_not_paged(in_terminal: Terminal) -> None:
    screen = ends(in_terminal(8, PAGER="sed s/^/PAGED:/"))
    assert "line 7" in screen
    assert "PAGED" not in screen


def test_what_does_not_fit_goes_through_the_pager_of_the_environment(
    in_terminal: Terminal,
) -> None:
    assert "PAGED:line 99" in ends(in_terminal(100, PAGER="sed s/^/PAGED:/"))


def test_the_configured_pager_comes_first_and_an_empty_one_is_none(in_terminal: Terminal) -> None:
    assert "MINE:line 99" in ends(in_terminal(100, "sed s/^/MINE:/", PAGER="sed s/^/PAGED:/"))
    for child in (in_terminal(100, "", PAGER="sed s/^/PAGED:/"), in_terminal(100, PAGER="")):
        screen = ends(child)
        assert "line 99" in screen
        assert "PAGED" not in screen


@pytest.mark.parametrize(
    ("configured", "variables", "command"),
    [
        (None, {"PAGER": "more"}, "more"),
        (None, {"PAGER": "more", "QASINO_PAGER": "most"}, "most"),
        ("ov", {"PAGER": "more", "QASINO_PAGER": "most"}, "ov"),
        (None, {"PAGER": "more", "QASINO_PAGER": ""}, None),
        ("", {"PAGER": "more", "QASINO_PAGER": "most"}, None),
    ],
)
def test_the_pager_of_our_own_variable_comes_between(
    monkeypatch: pytest.MonkeyPatch,
    configured: str | None,
    variables: dict[str, str],
    command: str | None,
) -> None:
    for name in ("PAGER", "QASINO_PAGER"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert pager_command(configured) == command


def test_less_is_told_how_to_show_tables_unless_it_has_been(in_terminal: Terminal) -> None:
    assert "FRSX" in ends(in_terminal(100, PAGER='echo "$LESS" #'))
    assert "[e]" in ends(in_terminal(100, PAGER='echo "[$LESS]" #', LESS="e"))


@pytest.mark.parametrize(
    ("less", "told"),
    [("-iM", "[-R -iM]"), ("", "[-R ]"), ("-r", "[-R -r]"), ("-Pmine", "[-R -Pmine]")],
)
def test_less_is_told_to_pass_colours_by_whoever_has_options_of_their_own(
    in_terminal: Terminal, less: str, told: str
) -> None:
    """In front of them, so that one of these may still say otherwise."""
    coloured = SHOW.replace('"line', '"\\x1b[1mline\\x1b[0m')
    assert told in ends(in_terminal(100, PAGER='echo "[$LESS]" #', LESS=less, show=coloured))
    assert f"[{less}]" in ends(in_terminal(100, PAGER='echo "[$LESS]" #', LESS=less))


@pytest.mark.skipif(shutil.which("less") is None, reason="there is no less here")
def test_colours_are_no_text_in_the_less_of_whoever_has_options_of_their_own(
    in_terminal: Terminal,
) -> None:
    coloured = SHOW.replace('"line', '"\\x1b[1mline\\x1b[0m')
    child = in_terminal(100, PAGER="less", LESS="-X", show=coloured)
    child.expect_exact("line")
    child.send("q")
    assert "ESC" not in ends(child)


def test_whoever_leaves_the_pager_early_goes_on(in_terminal: Terminal) -> None:
    screen = ends(in_terminal(200_000, PAGER="head -n 1"))
    assert "line 0" in screen
    assert "AND ON" in screen


def test_ctrl_c_ends_a_pager_that_hangs_and_nothing_else(in_terminal: Terminal) -> None:
    child = in_terminal(100, PAGER="echo READY; exec tail -f /dev/null")
    child.expect_exact("READY")
    child.sendintr()
    screen = ends(child)
    assert "AND ON" in screen
    assert "Traceback" not in screen


def test_a_pager_that_is_not_there_loses_nothing(in_terminal: Terminal) -> None:
    screen = ends(in_terminal(100, PAGER="nosuchpager"))
    assert "the pager 'nosuchpager' was not found; here it is without" in screen
    assert "line 99" in screen


def test_where_stdout_is_no_terminal_nothing_is_paged() -> None:
    ran = subprocess.run(
        [sys.executable, "-c", SHOW, "100"],
        capture_output=True,
        text=True,
        env=clean_environment(PAGER="sed s/^/PAGED:/", PATH=os.environ["PATH"]),
        timeout=TIMEOUT_S,
    )
    assert ran.stdout.splitlines() == [f"line {n}" for n in range(100)]


@pytest.mark.parametrize("wide", ["\x1b[", "\x1b[2J", "a\x1b[1", "\x1b[1;31mred\x1b[0m"])
def test_what_is_not_a_colour_is_text_like_any_other(wide: str) -> None:
    show = "import sys; from qasino_cli.sql import pager; print(pager.fits([sys.argv[1]]))"
    child = pexpect.spawn(
        sys.executable, ["-c", show, wide], env=clean_environment(), timeout=TIMEOUT_S
    )
    assert ends(child).strip() == b"True"
