"""The prompt's own commands: one table for what they do, `\\?`, and completion."""

from __future__ import annotations

import os
import shlex
import subprocess
import tempfile
import time
from difflib import get_close_matches
from pathlib import Path

import msgspec

from qasino_cli.console import Ended, say
from qasino_cli.errors import InputRejected, UsageFault
from qasino_cli.sql.present import FORMATS
from qasino_cli.sql.repl import describe
from qasino_cli.sql.repl.shell import Command, Leaving, Shell
from qasino_cli.sql.scripts import read_text
from qasino_cli.sql.session import HEAR_S
from qasino_server.table import shown


class Named(msgspec.Struct, frozen=True):
    """One command."""

    name: str
    argument: str
    help: str
    run: Command


def find_command(name: str) -> Command:
    """What carries out `\\name`. Raises UsageFault, with the nearest name, for no command."""
    for command in COMMANDS:
        if command.name == name:
            return command.run
    near = get_close_matches(name, [command.name for command in COMMANDS], 1, 0.5)
    hint = f"; did you mean {near[0]}?" if near else ""
    raise UsageFault(f"{name[:80]} is no command{hint} \\? lists them")


def help_lines() -> list[str]:
    """What `\\?` shows."""
    lines = [f"{f'{c.name} {c.argument}'.rstrip():22} {c.help}" for c in COMMANDS]
    return [*lines, "", *_KEYS]


_KEYS = (
    "Enter runs a complete statement (one that ends in ; or \\G), else it adds a",
    "line; Alt-Enter always adds a line. Tab completes, -> takes the suggestion,",
    "Ctrl-R searches the history, F4 switches between emacs and vi keys. Ctrl-C",
    "clears the line or cancels the query, Ctrl-D leaves. A line that begins with",
    "a blank is not kept.",
    "SHOW tables|info|connections|views|queries, DESC table, KILL id,",
    "SET use_write_db = true asks the generation being collected.",
)


def _help(shell: Shell, argument: str) -> None:
    shell.screen.page(help_lines())


def _leave(shell: Shell, argument: str) -> None:
    raise Leaving


def _describe(shell: Shell, name: str) -> None:
    """\\d alone lists all; with a name, what that is."""
    if not name:
        _show(shell, describe.tables())
        _show(shell, describe.views(), unless_empty=True)
        return
    plain = name.rstrip(";").strip("\"'`[]")
    if _show(shell, describe.columns(plain), unless_empty=True):
        _show(shell, describe.sources(plain), unless_empty=True)
    elif _show(shell, describe.definition(plain), unless_empty=True, vertical=True):
        _show(shell, describe.view_columns(plain), unless_empty=True)
    else:
        shell.run_statement(f"DESC {name}")  # whose error says what there is instead


def _show(shell: Shell, sql: str, unless_empty: bool = False, vertical: bool = False) -> bool:
    """Show what a question of our own gives; whether that was anything."""
    result = shell.session.aside(sql)
    if result.nr_rows or not unless_empty:
        shell.screen.show(result, vertical)
    return bool(result.nr_rows)


def _tables(shell: Shell, pattern: str) -> None:
    _show(shell, describe.tables(pattern))


def _views(shell: Shell, pattern: str) -> None:
    _show(shell, describe.views(pattern))


def _edit(shell: Shell, path: str) -> None:
    """Edit the last statement, or a file; what comes back stands at the prompt."""
    editor = os.environ.get("VISUAL") or os.environ.get("EDITOR") or "vi"
    if path:
        shell.next_text = _edited(editor, Path(path).expanduser())
        return
    with tempfile.TemporaryDirectory(prefix="qasino-") as directory:
        file = Path(directory) / "statement.sql"
        file.write_text((shell.last_statement or "") + "\n", encoding="utf-8")
        shell.next_text = _edited(editor, file)


def _edited(editor: str, file: Path) -> str:
    try:
        code = subprocess.run([*shlex.split(editor), str(file)]).returncode
        if code:
            raise UsageFault(f"\\e: {editor} ended with {code}; nothing is taken over")
        return file.read_text(encoding="utf-8").rstrip()
    except (OSError, UnicodeDecodeError, ValueError) as error:
        raise UsageFault(f"\\e: {editor} {file}: {error}") from None


def _include(shell: Shell, path: str) -> None:
    if not path:
        raise UsageFault("\\i wants the name of a file")
    try:
        text = read_text(str(Path(path).expanduser()))
    except InputRejected as error:
        raise UsageFault(f"\\i: {error.sentence}") from None
    if not shell.execute(text):
        raise Leaving


def _output(shell: Shell, target: str) -> None:
    shell.screen.redirect(target)


def _format(shell: Shell, name: str) -> None:
    if name and name not in FORMATS:
        raise UsageFault(f"{shown(name)} is not a format; there are {', '.join(FORMATS)}")
    shell.screen.form = name or shell.screen.form
    say(f"format {shell.screen.form}")


def _expanded(shell: Shell, wish: str) -> None:
    choices = {"on": True, "off": False, "auto": "auto", "": not shell.screen.expanded}
    if wish not in choices:
        raise UsageFault("\\x is on, off or auto")
    shell.screen.expanded = choices[wish]  # type: ignore[assignment]  # bool or "auto"
    words = {True: "on", False: "off", "auto": "auto: where a table does not fit"}
    say(f"records {words[shell.screen.expanded]}")


def _timing(shell: Shell, wish: str) -> None:
    choices = {"on": True, "off": False, "": not shell.screen.timing}
    if wish not in choices:
        raise UsageFault("\\timing is on or off")
    shell.screen.timing = choices[wish]
    say(f"timing {'on' if shell.screen.timing else 'off'}")


def _watch(shell: Shell, argument: str) -> None:
    """The last statement again at each generation, or every so many seconds, until Ctrl-C."""
    statement = shell.last_statement
    if statement is None:
        raise UsageFault("\\watch repeats the last statement, and there is none yet")
    interval_s = _interval(argument)
    while True:
        seen = shell.live.nr_generations
        say(time.strftime("%H:%M:%S"))
        shell.run_statement(statement)
        try:
            if interval_s is None:
                shell.live.wait_for_generation(seen)
            else:
                _sleep(interval_s)
        except Ended:
            raise
        except KeyboardInterrupt:
            say("")  # the terminal has written ^C; a prompt begins a line
            return


def _sleep(seconds: float) -> None:
    """Sleep in naps, so that Ctrl-C is heard whenever it comes."""
    ends = time.monotonic() + seconds
    while (left_s := ends - time.monotonic()) > 0:
        time.sleep(min(left_s, HEAR_S))


def _interval(argument: str) -> float | None:
    try:
        interval_s = float(argument) if argument else None
    except ValueError:
        interval_s = -1.0
    if interval_s is not None and not 0 < interval_s < 1e6:
        raise UsageFault(f"\\watch: {shown(argument)} is not a number of seconds")
    return interval_s


def _refresh(shell: Shell, argument: str) -> None:
    shell.live.refresh()


def _last(shell: Shell, argument: str) -> None:
    shell.screen.show_last()


def _save(shell: Shell, argument: str) -> None:
    name, _, sql = argument.partition(" ")
    sql = sql.strip() or shell.last_statement or ""
    if not name or not sql:
        raise UsageFault("\\save NAME saves the last statement, \\save NAME SQL this one")
    shell.saved.save(name, sql)
    say(f"saved; \\run {name} runs it")


def _run(shell: Shell, name: str) -> None:
    if name:
        shell.run_statement(shell.saved.get(name).rstrip().removesuffix(";"))
        return
    for known, sql in shell.saved.all().items():
        say(f"{known}: {' '.join(sql.split())}")
    if not shell.saved.all():
        say("no query is saved; \\save NAME saves the last one")


def _forget(shell: Shell, name: str) -> None:
    shell.saved.forget(name)
    say(f"forgotten: {name}")


def _conninfo(shell: Shell, argument: str) -> None:
    status = shell.live.status
    say(f"server {shell.session.connection.url}")
    if status.trouble is not None:
        say(f"lost: {status.trouble}")
    elif status.generation_number is not None:
        age_s = status.age_s(time.monotonic())
        say(f"generation {status.generation_number}, {age_s:.0f} s old")


def _keys(shell: Shell, argument: str) -> None:
    if shell.toggle_keys is None:
        raise UsageFault("this terminal has no keys to choose")
    say(f"{shell.toggle_keys()} keys")


COMMANDS = (
    Named("\\?", "", "this help", _help),
    Named("\\d", "[TABLE]", "tables and views; or one's columns, identities and rows", _describe),
    Named("\\dt", "[PATTERN]", "tables", _tables),
    Named("\\dv", "[PATTERN]", "views", _views),
    Named("\\e", "[FILE]", "edit the last statement, or a file, in $EDITOR", _edit),
    Named("\\i", "FILE", "run the statements of a file", _include),
    Named("\\o", "[FILE]", "send results to a file, to `| command`, or back here", _output),
    Named("\\format", "[NAME]", f"{', '.join(FORMATS)}", _format),
    Named("\\x", "[on|off|auto]", "records, not a table; auto: where that does not fit", _expanded),
    Named("\\timing", "[on|off]", "the line under each result", _timing),
    Named("\\watch", "[SECONDS]", "repeat the last statement at each generation", _watch),
    Named("\\last", "", "the whole of the last result, paged", _last),
    Named("\\save", "NAME [SQL]", "save the last statement, or this one", _save),
    Named("\\run", "[NAME]", "run a saved query, or list them", _run),
    Named("\\forget", "NAME", "forget a saved query", _forget),
    Named("\\refresh", "", "fetch the names for completion anew", _refresh),
    Named("\\conninfo", "", "which server, which generation", _conninfo),
    Named("\\keys", "", "switch between emacs and vi keys", _keys),
    Named("\\q", "", "leave, as quit, exit and Ctrl-D do", _leave),
)  # fmt: skip
