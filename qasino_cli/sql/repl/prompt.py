"""The prompt on a real terminal: keys, menu, suggestions, history, toolbar. What is typed goes
to the shell; nothing is asked of a server here.
"""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Iterable
from typing import NamedTuple

from prompt_toolkit import PromptSession
from prompt_toolkit.application import Application
from prompt_toolkit.auto_suggest import AutoSuggestFromHistory
from prompt_toolkit.buffer import Buffer, CompletionState
from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document
from prompt_toolkit.enums import DEFAULT_BUFFER, EditingMode
from prompt_toolkit.filters import (
    completion_is_selected,
    emacs_insert_mode,
    emacs_mode,
    has_completions,
    has_focus,
    vi_insert_mode,
)
from prompt_toolkit.formatted_text import StyleAndTextTuples
from prompt_toolkit.input.typeahead import get_typeahead, store_typeahead
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.keys import Keys
from prompt_toolkit.layout.screen import Char
from prompt_toolkit.output import ColorDepth, create_output
from prompt_toolkit.validation import ValidationError, Validator

from qasino_cli import terminal
from qasino_cli.config import Config
from qasino_cli.ending import ENDING, Ended, ending_told
from qasino_cli.errors import Unreachable
from qasino_cli.places import history_file, paths_beginning
from qasino_cli.sql.completion import complete
from qasino_cli.sql.entries import is_complete, undecoded
from qasino_cli.sql.present import FORMATS
from qasino_cli.sql.repl.colours import SqlColours, style_of
from qasino_cli.sql.repl.commands import COMMANDS
from qasino_cli.sql.repl.history import FileHistory
from qasino_cli.sql.repl.live import Status
from qasino_cli.sql.repl.shell import CONTINUED, PROMPT, Shell
from qasino_server.render import visible, width

MENU_LINES = 6
"""What the prompt keeps for itself and the menu under it, where the window is high enough."""

TICK_S = 1.0
"""How often the age in the toolbar moves on."""

_ESCAPED_S = 0.5
"""A key that comes so soon after Esc was typed with Alt: readline's, where Esc has a use too."""

_AGAIN_S = 0.2
"""While a completion is under way no other begins, and it may have asked before values came."""

_BETWEEN = " │ "
_TROUBLED = "class:bottom-toolbar.trouble"
_KEYS_IN_FORCE, _HINT, _GENERATION, _SERVER, _OPEN, _TROUBLE = range(6)
"""What the toolbar tells, the least needed first."""

_HELP = {command.name: command.help for command in COMMANDS}


class Prompt:
    """Reads texts that are complete, one after the other."""

    def __init__(self, shell: Shell, config: Config) -> None:
        self._shell = shell
        self._completer = _LiveCompleter(shell)
        output = create_output(stdout=sys.stdout if terminal.watched(sys.stdout) else sys.stderr)
        coloured = terminal.coloured(output.stdout or sys.stdout, config.colors)
        self._session: PromptSession[str] = PromptSession(
            message=[("class:prompt", PROMPT)],
            multiline=True,
            prompt_continuation=_before_line,
            history=FileHistory(history_file()),
            enable_history_search=False,
            # Without its grey a suggestion looks as if it had been typed.
            auto_suggest=AutoSuggestFromHistory() if coloured else None,
            completer=self._completer,
            complete_while_typing=True,
            complete_in_thread=True,
            validator=_Decoded(),
            validate_while_typing=False,
            reserve_space_for_menu=MENU_LINES,
            lexer=SqlColours(),
            style=style_of(config.theme),
            include_default_pygments_style=False,
            color_depth=None if coloured else ColorDepth.DEPTH_1_BIT,
            vi_mode=config.keys == "vi",
            key_bindings=_keys(self),
            bottom_toolbar=self._toolbar,
            refresh_interval=TICK_S,
            enable_suspend=True,
            output=output,
        )
        self._session.app.timeoutlen = _ESCAPED_S
        self._session.app.ttimeoutlen = terminal.SEQUENCE_S
        Char.display_mappings = _Shown(Char.display_mappings)
        self._session.app.before_render += self._fit_menu
        shell.toggle_keys = self.toggle_keys
        shell.screen.prompt_lines = lambda height: _menu_lines(height) + 1

    def read(self) -> str:
        """The next text. Raises EOFError for Ctrl-D, and Ended; Ctrl-C makes a new prompt."""
        with terminal.unechoed():
            while True:
                try:
                    return self._prompt()
                except Ended:
                    raise
                except KeyboardInterrupt:
                    continue  # the line is gone, as in every shell

    def _prompt(self) -> str:
        """The next text. Raises EOFError, KeyboardInterrupt, and Ended once the screen is left as
        it is left after Ctrl-C: a handler may come in the middle of drawing.
        """
        heard: list[KeyboardInterrupt] = []
        self._completer.asked_last = None
        app = self._session.app

        def hear(number: int) -> None:
            if number in ENDING:
                heard.insert(0, Ended(number))
            else:
                heard.append(KeyboardInterrupt())
            if app.loop is not None:
                app.loop.call_soon_threadsafe(leave)

        def leave() -> None:
            if heard and app.future is not None and not app.future.done():
                app.exit(exception=heard[0])

        try:
            # prompt_toolkit's own handler would end an application that has ended already.
            with ending_told(hear, (*ENDING, signal.SIGINT)):
                text = self._session.prompt(
                    default=self._shell.take_next(), pre_run=leave, handle_sigint=False
                )
        except OSError:
            if heard:  # its window is closed
                raise heard[0] from None
            raise
        if heard:
            raise heard[0]
        if self._called_off():
            raise KeyboardInterrupt
        return text

    def _called_off(self) -> bool:
        """Whether Ctrl-C has come behind Enter, as a key.

        The terminal makes no signal of it before it is given back, and it would wait for the next
        prompt. What was typed before it is dropped, as the terminal does.
        """
        keys = get_typeahead(self._session.input) + self._session.input.read_keys()
        at = max((n for n, key in enumerate(keys) if key.key == Keys.ControlC), default=-1)
        store_typeahead(self._session.input, keys[at + 1 :])
        return at >= 0

    def _fit_menu(self, app: Application[str]) -> None:
        """A window that is too low for prompt, menu and toolbar would show none of them."""
        self._session.reserve_space_for_menu = _menu_lines(app.output.get_size().rows)

    def tab(self, buffer: Buffer) -> None:
        """Take the next candidate.

        Keys that come over a network at once, or are typed quickly, are read before the menu is
        there; a Tab among them was lost. A keystroke's completion takes some milliseconds, so it
        is done here then.
        """
        if buffer.complete_state is None or not buffer.complete_state.completions:
            document, asked = buffer.document, CompleteEvent(completion_requested=True)
            found = list(self._completer.get_completions(document, asked))
            if not found:
                return
            buffer.complete_state = CompletionState(document, found)
        buffer.complete_next()

    def toggle_keys(self) -> str:
        """Switch between emacs and vi keys; the name of those in force now."""
        vi = self._session.editing_mode == EditingMode.EMACS
        self._session.editing_mode = EditingMode.VI if vi else EditingMode.EMACS
        return "vi" if vi else "emacs"

    def news(self, offers: bool) -> None:
        """Something new is known: draw again, and complete anew where completion has something
        else to offer. Any thread."""
        app = self._session.app
        loop = app.loop
        if loop is not None and app.is_running:
            try:
                loop.call_soon_threadsafe(self._hear, app, offers)
            except RuntimeError:
                pass  # the prompt has just ended

    def _hear(self, app: Application[str], offers: bool) -> None:
        """No menu opens under a line that has come from the history: the next Up would choose in
        it, where it is to bring the line before."""
        _renew(app, offers and self._completer.asked_last == app.current_buffer.document)

    def _toolbar(self) -> StyleAndTextTuples:
        live, session = self._shell.live, self._shell.session
        status, now = live.status, time.monotonic()
        parts = [_Part(_SERVER, session.connection.url)]
        if status.generation_number is not None:
            age_s = status.age_s(now)
            told = f"generation {status.generation_number}, {age_s:.0f} s old"
            parts.append(_Part(_GENERATION, told))
        if status.trouble is not None:
            parts.append(_Part(_TROUBLE, _trouble(status), _TROUBLED))
        elif status.generation_number is None:
            parts.append(_Part(_TROUBLE, "connecting"))
        elif live.is_late(now):
            parts.append(_Part(_TROUBLE, "the next generation is late", _TROUBLED))
        if session.use_write_db:
            parts.append(_Part(_OPEN, "asking the open generation", _TROUBLED))
        keys = "vi" if self._session.editing_mode == EditingMode.VI else "emacs"
        parts += [_Part(_KEYS_IN_FORCE, keys), _Part(_HINT, "\\? help")]
        return _fitted(parts, self._session.app.output.get_size().columns)


class _Part(NamedTuple):
    need: int
    text: str
    style: str = ""


def _fitted(parts: list[_Part], columns: int) -> StyleAndTextTuples:
    """As much of the toolbar as there is room for; the rest is left out, each part whole."""
    kept = list(parts)
    while len(kept) > 1 and width(f" {_BETWEEN.join(part.text for part in kept)}") > columns:
        kept.remove(min(kept, key=lambda part: part.need))
    return [(part.style, f"{_BETWEEN if n else ' '}{part.text}") for n, part in enumerate(kept)]


def _trouble(status: Status) -> str:
    """Why the server cannot be asked, in the few words there is room for."""
    if status.turned_away:
        return "not let in, \\conninfo says why"
    if not isinstance(status.trouble, Unreachable):
        return "the server refuses, asking again"
    return (
        "cannot reach it yet" if status.generation_number is None else "server lost, reconnecting"
    )


class _Shown(dict[str, str]):
    """How characters are drawn that would steer the terminal: to the library's own, control
    characters, come marks that turn the reading direction, which a value that is taken may hold.
    """

    def __contains__(self, character: object) -> bool:
        return super().__contains__(character) or visible(str(character)) != character

    def __missing__(self, character: str) -> str:
        return visible(character)


def _before_line(width: int, line_number: int, wrap_count: int) -> str:
    """What stands before each line but the first: the mark says that Enter has begun it, which
    nobody did where the window is too narrow for one."""
    return " " * width if wrap_count else CONTINUED


def _menu_lines(height: int) -> int:
    """MENU_LINES, but no more than a quarter of the window."""
    return min(MENU_LINES, max(1, height // 4))


def _renew(app: Application[str], offers: bool) -> None:
    """In the prompt's thread: what was fetched appears in the menu that waits for it.

    A menu in which somebody is choosing is left alone.
    """
    app.invalidate()
    buffer = app.current_buffer
    state = buffer.complete_state
    if offers and buffer.text and (state is None or state.complete_index is None):
        buffer.complete_state = None
        buffer.start_completion(select_first=False)
        if app.loop is not None:
            app.loop.call_later(_AGAIN_S, _renew_late, app, buffer.text)


def _renew_late(app: Application[str], text: str) -> None:
    """The same where nothing has come of it and nothing else has been typed."""
    buffer = app.current_buffer
    if app.is_running and buffer.text == text and buffer.complete_state is None:
        buffer.start_completion(select_first=False)


class _LiveCompleter(Completer):
    """Our candidates, as the prompt's library wants them."""

    def __init__(self, shell: Shell) -> None:
        self._shell = shell
        self.asked_last: Document | None = None
        """What was to be completed at this prompt; any other text has not come by a key."""

    def get_completions(
        self, document: Document, complete_event: CompleteEvent
    ) -> Iterable[Completion]:
        self.asked_last = document
        live = self._shell.live
        for candidate in complete(
            document.text,
            document.cursor_position,
            live.catalog,
            live.values_of,
            _HELP,
            self._shell.saved.names,
            FORMATS,
            paths_beginning,
        ):
            yield Completion(candidate.text, candidate.start, candidate.display, candidate.meta)


class _Decoded(Validator):
    """Text in UTF-8; any other stays to be edited, and out of the history."""

    def validate(self, document: Document) -> None:
        if (fault := undecoded(document.text)) is not None:
            raise ValidationError(*fault)


def _keys(prompt: Prompt) -> KeyBindings:
    keys = KeyBindings()
    typing = has_focus(DEFAULT_BUFFER)  # elsewhere, in a search, keys are the library's

    @keys.add("enter", filter=typing & ~completion_is_selected)
    def _(event: KeyPressEvent) -> None:
        """Run what is complete; else the statement goes on on another line."""
        buffer = event.current_buffer
        if is_complete(buffer.text):
            buffer.validate_and_handle()
        else:
            buffer.insert_text("\n")

    @keys.add("enter", filter=typing & completion_is_selected)
    def _(event: KeyPressEvent) -> None:
        """Take the candidate; what is typed stays to be edited."""
        event.current_buffer.complete_state = None

    @keys.add("escape", "enter", filter=typing & emacs_mode)
    def _(event: KeyPressEvent) -> None:
        """With vi keys Escape is a key of its own, and Enter after it runs what is typed."""
        event.current_buffer.insert_text("\n")

    @keys.add("escape", filter=typing & emacs_mode & has_completions)
    def _(event: KeyPressEvent) -> None:
        """Close the menu; Alt and a key come as Escape and that key, and are still theirs."""
        event.current_buffer.complete_state = None

    @keys.add("tab", filter=typing & (emacs_insert_mode | vi_insert_mode))
    def _(event: KeyPressEvent) -> None:
        prompt.tab(event.current_buffer)

    @keys.add("f4")
    def _(event: KeyPressEvent) -> None:
        prompt.toggle_keys()

    return keys
