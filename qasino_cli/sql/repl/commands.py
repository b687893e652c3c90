"""The prompt's own commands: one table for what they do, `\\?`, and completion."""

from __future__ import annotations

import os
import shlex
import subprocess
import tempfile
import time
from contextlib import suppress
from difflib import get_close_matches
from itertools import count
from pathlib import Path

import msgspec

from qasino_cli.cells import visible_lines
from qasino_cli.console import on_terminal, say, typed_in, write
from qasino_cli.durations import read_duration_s
from qasino_cli.errors import InputRejected, Unreachable, UsageFault
from qasino_cli.layout import Expanded
from qasino_cli.places import expanded, without_nul
from qasino_cli.sql.lexer import tokens
from qasino_cli.sql.pager import alone_on_terminal, interrupted
from qasino_cli.sql.present import FORMATS
from qasino_cli.sql.repl import describe
from qasino_cli.sql.repl.elsewhere import ELSEWHERE
from qasino_cli.sql.repl.shell import FORGETS, Command, Shell
from qasino_cli.sql.script_reader import unquoted
from qasino_cli.sql.scripts import read_text
from qasino_cli.sql.session import HEAR_S
from qasino_cli.sql.statements import Leaving
from qasino_server.table import shown


class Named(msgspec.Struct, frozen=True):
    """One command."""

    name: str
    argument: str
    help: str
    run: Command


def find_command(name: str) -> Command:
    """What carries out `\\name`. Raises UsageFault, with the nearest name, for no command.

    The `+` of psql's \\d+ asks for what is shown anyway.
    """
    name = _ALIASES.get(name, name)
    for command in COMMANDS:
        if command.name == name or (name[:2] == "\\d" and command.name == name.removesuffix("+")):
            return command.run
    if name in ELSEWHERE:
        raise UsageFault(f"{name} is no command here: {ELSEWHERE[name]}")
    raise UsageFault(f"{name[:80]} is no command; {_guess(name)}\\? lists them")


def _guess(name: str) -> str:
    """The question whether the name is meant whose letters are the nearest: none for a single
    letter, to which another is as near as any."""
    names = [command.name[1:] for command in COMMANDS] if len(name) > 2 else []
    near = get_close_matches(name[1:], names, 1, 0.6)
    return f"did you mean \\{near[0]}? " if near else ""


_ALIASES = {"\\quit": "\\q", "\\exit": "\\q"}


def help_lines() -> list[str]:
    """What `\\?` shows."""
    lines = [f"{f'{c.name} {c.argument}'.rstrip():22} {c.help}" for c in COMMANDS]
    return [*lines, "", *_KEYS]


_KEYS = (
    "Enter runs a complete statement, one that ends in ; or in \\g \\gx \\G \\watch,",
    "else it adds a line; with emacs keys Alt-Enter always does. Tab completes, ->",
    "takes the suggestion, Ctrl-R searches the history, F4 switches between emacs",
    "and vi keys. Ctrl-C clears the line or cancels the query, Ctrl-D leaves. A",
    "line that begins with a blank is not kept.",
    "SHOW tables|info|connections|views|queries, DESC table, KILL id,",
    "SET use_write_db = true asks the generation being collected.",
)


def _help(shell: Shell, argument: str) -> None:
    shell.screen.page(help_lines())


def _leave(shell: Shell, argument: str) -> None:
    raise Leaving


def _describe(shell: Shell, name: str) -> None:
    """\\d alone lists all; with a name, what that is."""
    with shell.screen.shown_whole():
        _show_all_of(shell, name)


def _show_all_of(shell: Shell, name: str) -> None:
    if not name:
        _show(shell, describe.tables())
        _show(shell, describe.views(), unless_empty=True)
        return
    name = name.rstrip("; ")
    schema, plain = describe.split(name)
    if "*" in name or "?" in name:
        _show(shell, describe.tables(plain, schema))
        if schema == describe.MAIN:
            _show(shell, describe.views(plain), unless_empty=True)
    elif _show(shell, describe.columns(plain, schema), unless_empty=True):
        _show(shell, describe.sources(plain, schema), unless_empty=True)
    elif schema == describe.MAIN and _show(
        shell, describe.definition(plain), unless_empty=True, vertical=True
    ):
        _show(shell, describe.view_columns(plain), unless_empty=True)
    else:
        shell.look_up(f"DESC {name}")  # whose error says what there is instead


def _show(shell: Shell, sql: str, unless_empty: bool = False, vertical: bool = False) -> bool:
    """Show what a question of our own gives; whether that was anything."""
    result = shell.session.asides.ask(sql)
    if result.nr_rows or not unless_empty:
        shell.screen.show(result, vertical)
    return bool(result.nr_rows)


def _tables(shell: Shell, pattern: str) -> None:
    schema, plain = describe.split(pattern.rstrip("; "))
    with shell.screen.shown_whole():
        _show(shell, describe.tables(plain, schema))


def _views(shell: Shell, pattern: str) -> None:
    _, plain = describe.split(pattern.rstrip("; "))
    with shell.screen.shown_whole():
        _show(shell, describe.views(plain))


def _edit(shell: Shell, path: str) -> None:
    """Edit the last statement, or a file; what comes back stands at the prompt."""
    if not typed_in():
        raise UsageFault("\\e needs a terminal")
    editor = os.environ.get("VISUAL") or os.environ.get("EDITOR") or "vi"
    if path:
        shell.next_text = _edited(editor, expanded(unquoted(path)))
        return
    with tempfile.TemporaryDirectory(prefix="qasino-") as directory:
        file = Path(directory) / "statement.sql"
        last = shell.session.last_statement
        statement = _with_its_end(last) if last else ""
        file.write_text(f"{statement}\n", encoding="utf-8")
        shell.next_text = _edited(editor, file)


def _edited(editor: str, file: Path) -> str:
    try:
        with alone_on_terminal():
            code = subprocess.run([*shlex.split(editor), str(file)]).returncode
        if code:
            raise UsageFault(f"\\e: {editor} ended with {code}; nothing is taken over")
        return file.read_text(encoding="utf-8").rstrip()
    except OSError as error:
        raise UsageFault(f"\\e: {error.filename or editor}: {error.strerror}") from None
    except ValueError as error:  # quotes that do not end, bytes that are no UTF-8
        why = "it is not UTF-8" if isinstance(error, UnicodeDecodeError) else error
        raise UsageFault(f"\\e: {editor} {file}: {why}") from None


def _include(shell: Shell, path: str) -> None:
    if not path:
        raise UsageFault("\\i wants the name of a file")
    file = str(expanded(unquoted(path)))
    if (place := os.path.realpath(file)) in shell.included:
        raise UsageFault(f"\\i: {file} includes itself")
    try:
        text = read_text(file)
    except InputRejected as error:
        raise InputRejected(f"\\i: {error.sentence}") from None
    _run_script(shell, place, text, file)


def _run_script(shell: Shell, place: str, text: str, name: str) -> None:
    """Do what a file or a saved query says; `place` tells it from all others. One that leaves is
    done; who runs it goes on, as psql has it."""
    shell.included.append(place)
    try:
        with suppress(Leaving):
            shell.execute(text, name)
    finally:
        shell.included.pop()


def _output(shell: Shell, target: str) -> None:
    try:
        shell.screen.outlet.redirect(target)
    except UsageFault as error:
        raise UsageFault(f"\\o: {error.sentence}") from None


def _go(shell: Shell, target: str) -> None:
    """The last statement again, its rows to a file or a command where one is named."""
    shell.run_statement(_last_one(shell, "\\g"), target=target)


def _go_records(shell: Shell, target: str) -> None:
    shell.run_statement(_last_one(shell, "\\gx"), True, target)


def _print(shell: Shell, argument: str) -> None:
    statement = _with_its_end(_last_one(shell, "\\p"))
    shell.screen.page((visible_lines(statement) if on_terminal() else statement).split("\n"))


def _with_its_end(statement: str) -> str:
    """Below a comment that goes on to the end of its line, of which it would be a part."""
    last = tokens(statement)[-1]
    return statement + ("\n;" if last.text.startswith("--") else ";")


def _last_one(shell: Shell, command: str) -> str:
    if shell.session.last_statement is None:
        raise UsageFault(f"{command} wants a statement, and there is none yet")
    return shell.session.last_statement


def _reset(shell: Shell, argument: str) -> None:
    """What stood before it at the prompt is gone by its having been read."""


def _echo(shell: Shell, text: str) -> None:
    write(_words(text))


def _echo_to_results(shell: Shell, text: str) -> None:
    shell.screen.outlet.write([_words(text)])


def _warn(shell: Shell, text: str) -> None:
    say(_words(text).removesuffix("\n"))


def _words(text: str) -> str:
    """What echo writes: words without their quotes; no end of the line after -n."""
    begun = text.removeprefix("-n ") if text != "-n" else ""
    try:
        words = shlex.split(begun, posix=True)
    except ValueError:  # a quote that is an apostrophe
        words = begun.split()
    return " ".join(words) + ("\n" if begun == text else "")


def _system(shell: Shell, command: str) -> None:
    """A command of the shell; without one the shell itself, as psql does it.

    A script that is piped in is not its input: psql's `\\! ssh HOST` eats what is left of it.
    Who ends it by Ctrl-C ends what is being done with it, as in a shell.
    """
    run = without_nul(command) or os.environ.get("SHELL") or "sh"
    stdin = subprocess.DEVNULL if shell.stdin_is_script else None
    with alone_on_terminal():
        code = subprocess.run(run, shell=True, stdin=stdin).returncode
    if interrupted(code):
        raise KeyboardInterrupt
    if code:
        raise UsageFault(f"\\!: it ended with {code}")


def _tuples_only(shell: Shell, wish: str) -> None:
    shell.screen.header = not _switched("\\t", wish, not shell.screen.header)
    _tell_header(shell)


def _tell_header(shell: Shell) -> None:
    say(f"the line of names in csv and tsv: {_on_or_off(shell.screen.header)}")


def _switched(command: str, wish: str, now: bool) -> bool:
    """What a switch is to be: on, off, or the other way where nothing is said."""
    if wish not in ("on", "off", ""):
        raise UsageFault(f"{command} is on or off")
    return wish == "on" if wish else not now


def _on_or_off(on: bool) -> str:
    return "on" if on else "off"


def _set_option(shell: Shell, argument: str) -> None:
    """psql's \\pset, for the options there are; without one, what all of them are."""
    name, _, value = argument.partition(" ")
    value = value.strip()
    if not name:
        for tell in (_tell_null, _tell_format, _tell_records, _tell_header, _tell_pager):
            tell(shell)
    elif name == "null":
        _null(shell, value)
    elif name in _OPTIONS:
        _OPTIONS[name](shell, unquoted(value))
    else:
        raise UsageFault(f"\\pset sets null, {', '.join(_OPTIONS)}")


def _null(shell: Shell, value: str) -> None:
    """Without a value, what it is; '' is one."""
    if value:
        shell.screen.null = unquoted(value)
    _tell_null(shell)


def _tell_null(shell: Shell) -> None:
    null = shell.screen.null
    say(f"NULL in csv and tsv: {'as the format has it' if null is None else shown(null)}")


def _pager(shell: Shell, wish: str) -> None:
    shell.screen.paging = _switched("\\pset pager", wish, shell.screen.paging)
    _tell_pager(shell)


def _tell_pager(shell: Shell) -> None:
    say(f"pager {_on_or_off(shell.screen.paging)}")


def _format(shell: Shell, name: str) -> None:
    if name and name not in FORMATS:
        raise UsageFault(f"{shown(name)} is not a format; there are {', '.join(FORMATS)}")
    shell.screen.form = name or shell.screen.form
    _tell_format(shell)


def _tell_format(shell: Shell) -> None:
    say(f"format {shell.screen.form}")


def _records(shell: Shell, wish: str) -> None:
    toggled = not shell.screen.expanded
    choices: dict[str, Expanded] = {"on": True, "off": False, "auto": "auto", "": toggled}
    if wish not in choices:
        raise UsageFault("\\x is on, off or auto")
    shell.screen.expanded = choices[wish]
    _tell_records(shell)


def _tell_records(shell: Shell) -> None:
    words: dict[Expanded, str] = {
        True: "on",
        False: "off",
        "auto": "auto: where a table does not fit",
    }
    say(f"records {words[shell.screen.expanded]}")


def _timing(shell: Shell, wish: str) -> None:
    shell.screen.timing = _switched("\\timing", wish, shell.screen.timing)
    say(f"timing {_on_or_off(shell.screen.timing)}")


def _watch(shell: Shell, argument: str) -> None:
    """The last statement again at each generation, or every so many seconds, so often or until
    Ctrl-C, which ends what is done with it as well, as psql has it."""
    statement = _last_one(shell, "\\watch")
    interval_s, times = _how_to_watch(argument)
    for nr in count(1):
        seen = shell.live.nr_generations if interval_s is None else 0
        say(time.strftime("%H:%M:%S"))
        with shell.screen.unpaged():
            shell.run_statement(statement)
        if nr == times:
            return
        if interval_s is None:
            shell.live.wait_for_generation(seen)
        else:
            _sleep(interval_s)


def _how_to_watch(argument: str) -> tuple[float | None, int | None]:
    """The interval in seconds and how often, as psql names them: `[i=]SECONDS c=N`."""
    interval_s, times = None, None
    for word in argument.split():
        name, equals, value = word.partition("=")
        if not equals or name in ("i", "interval"):
            interval_s = read_duration_s("\\watch", value or word)
        elif name in ("c", "count") and value.isdecimal() and int(value) > 0:
            times = int(value)
        else:
            raise UsageFault("\\watch takes SECONDS, and c=N for how often")
    return interval_s, times


def _sleep(seconds: float) -> None:
    """Sleep in naps, so that Ctrl-C is heard whenever it comes."""
    ends = time.monotonic() + seconds
    while (left_s := ends - time.monotonic()) > 0:
        time.sleep(min(left_s, HEAR_S))


def _refresh(shell: Shell, argument: str) -> None:
    shell.live.refresh()


def _last(shell: Shell, argument: str) -> None:
    shell.screen.show_last()


def _save(shell: Shell, argument: str) -> None:
    name, _, sql = argument.partition(" ")
    sql = sql.strip() or shell.session.last_statement or ""
    if not name or not sql:
        raise UsageFault("\\save NAME saves the last statement, \\save NAME SQL this one")
    shell.saved.save(name, sql)
    say(f"saved; \\run {name} runs it")


def _run(shell: Shell, name: str) -> None:
    """A saved query is a script: it may be all that \\save takes."""
    if not name:
        _list_saved(shell)
        return
    script = f"\\run {name}"
    if script in shell.included:
        raise UsageFault(f"\\run: {name} runs itself")
    _run_script(shell, script, shell.saved.get(name), script)


def _list_saved(shell: Shell) -> None:
    for known, sql in shell.saved.all().items():
        say(f"{known}: {' '.join(sql.split())}")
    if not shell.saved.all():
        say("no query is saved; \\save NAME saves the last one")


def _forget(shell: Shell, name: str) -> None:
    if not name:
        raise UsageFault("\\forget wants the name of a saved query")
    shell.saved.forget(name)
    say(f"forgotten: {name}")


def _conninfo(shell: Shell, argument: str) -> None:
    status = shell.live.status
    say(f"server {shell.session.connection.url}")
    if status.trouble is not None:
        lost = "lost: " if isinstance(status.trouble, Unreachable) else ""
        say(lost + status.trouble.sentence)
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
    Named("\\g", "[FILE]", "run it, or the last statement; rows to FILE or `| cmd`", _go),
    Named("\\gx", "[FILE]", "the same as records", _go_records),
    Named("\\G", "", "the same, as mysql has it", _go_records),
    Named("\\p", "", "print what stands before it, or the last statement", _print),
    Named(FORGETS, "", "forget what stands before it", _reset),
    Named("\\i", "FILE", "run the statements of a file", _include),
    Named("\\o", "[FILE]", "send results to a file, to `| command`, or back here", _output),
    Named("\\format", "[NAME]", f"{', '.join(FORMATS)}", _format),
    Named("\\x", "[on|off|auto]", "records, not a table; auto: where that does not fit", _records),
    Named("\\t", "[on|off]", "csv and tsv without the line of names", _tuples_only),
    Named("\\pset", "[NAME [VALUE]]", "null, format, expanded, tuples_only or pager", _set_option),
    Named("\\timing", "[on|off]", "the line under each result", _timing),
    Named("\\watch", "[SECONDS] [c=N]", "repeat it or the last statement each generation", _watch),
    Named("\\last", "", "the whole of the last result, paged", _last),
    Named("\\echo", "[-n] [TEXT]", "write a text", _echo),
    Named("\\qecho", "[-n] [TEXT]", "the same where \\o sends results", _echo_to_results),
    Named("\\warn", "[TEXT]", "the same to stderr", _warn),
    Named("\\!", "[COMMAND]", "run a command of the shell", _system),
    Named("\\save", "NAME [SQL]", "save the last statement, or this one", _save),
    Named("\\run", "[NAME]", "run a saved query, or list them", _run),
    Named("\\forget", "NAME", "forget a saved query", _forget),
    Named("\\refresh", "", "fetch the names for completion anew", _refresh),
    Named("\\conninfo", "", "which server, which generation", _conninfo),
    Named("\\keys", "", "switch between emacs and vi keys", _keys),
    Named("\\q", "", "leave, as quit, exit and Ctrl-D do", _leave),
)  # fmt: skip
_OPTIONS = {
    "format": _format,
    "expanded": _records,
    "tuples_only": _tuples_only,
    "pager": _pager,
}
