"""The full screen: prompt_toolkit has the terminal, `view` the state, `frame` the lines.

Everything runs in the thread of the application; the feed hands its updates over with
`call_soon_threadsafe`. Whatever happens, the application gives the terminal back.
"""

from __future__ import annotations

import math
import os
import signal
import sys
import threading
import time

import msgspec
from prompt_toolkit.application import Application, run_in_terminal
from prompt_toolkit.buffer import Buffer
from prompt_toolkit.data_structures import Point
from prompt_toolkit.enums import EditingMode
from prompt_toolkit.filters import Condition, emacs_mode, vi_navigation_mode
from prompt_toolkit.formatted_text import StyleAndTextTuples
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.keys import ALL_KEYS, Keys
from prompt_toolkit.layout import (
    BufferControl,
    ConditionalContainer,
    FormattedTextControl,
    Layout,
    Window,
)
from prompt_toolkit.layout.processors import BeforeInput
from prompt_toolkit.output import ColorDepth
from prompt_toolkit.styles import Style

from qasino_cli import terminal
from qasino_cli.config import Config
from qasino_cli.connection import Connection
from qasino_cli.console import ExitCode, say
from qasino_cli.ending import ENDING, Ended, ending_told
from qasino_cli.errors import UsageFault
from qasino_cli.layout import Look
from qasino_cli.options import in_utf8
from qasino_cli.sql.session import HEAR_S
from qasino_cli.watch.batch import Plan, given_up, see_it_answered
from qasino_cli.watch.diff import Picture, choose_key, compare, differs
from qasino_cli.watch.export import copied, written
from qasino_cli.watch.feed import Feed
from qasino_cli.watch.frame import fitted, frame, plain
from qasino_cli.watch.herald import Herald
from qasino_cli.watch.past import Seen
from qasino_cli.watch.query import Update, is_ordered
from qasino_cli.watch.view import NAMES, View, pressed, resumed, showing
from qasino_cli.watch.whole_lines import WholeLines, keep_the_cursor
from qasino_cli.whole_file import is_there
from qasino_server.render import visible, width
from qasino_server.table import Result

TICK_S = 1.0
PATIENT_S = 1.0
"""Who waits longer for the first answer is told so."""
ESCAPED_S = 0.3
"""A letter that comes so soon after Esc was typed with Alt."""
_STYLES = {
    "dark": {
        "header": "bold",
        "rule": "#6c6c6c",
        "faint": "#8a8a8a",
        "changed": "#ffd75f bold",
        "new": "#87d787",
        "gone": "#8a8a8a italic",
        "trouble": "#ff875f bold",
    },
    "light": {
        "header": "bold",
        "rule": "#9e9e9e",
        "faint": "#767676",
        "changed": "#af5f00 bold",
        "new": "#005f00",
        "gone": "#767676 italic",
        "trouble": "#af0000 bold",
    },
}
_ASKED = {"filter": "filter: ", "sql": "SQL: ", "file": "write to: "}
_OVERWRITES = "exists; Enter again overwrites, Esc leaves it: "
_ANY_KEY = [Keys.Any, *(name for name in ALL_KEYS if not name.startswith("<"))]
"""Characters, and each other key by its name: prompt_toolkit's own bindings would take those."""


class Screen:
    """One watch on a terminal."""

    def __init__(self, connection: Connection, plan: Plan, config: Config) -> None:
        self._plan = plan
        self._view = View(
            sql=plan.watched.sql, server=connection.url, interval_s=plan.interval_s or 0.0
        )
        self._watched = plan.watched
        self._look = Look(unicode=terminal.speaks_unicode())
        self._last: Update | None = None
        self._answered_once = threading.Event()
        self._ends = math.inf
        self._code = ExitCode.OK
        self._time_is_up = False
        self._signal: int | None = None
        self._ended_by: int | None = None
        self._feed = Feed(connection, plan.watched, self._heard, plan.interval_s)
        self._herald = Herald(plan.on_change, plan.key, self._hook_failed, on_screen=True)
        self._file_there: str | None = None
        """The file that exists and may be overwritten, once somebody has been told."""
        self._before = self._view
        """What was seen when the line at the bottom came."""
        self._line = Buffer(
            multiline=False, accept_handler=self._answered, on_text_changed=self._typed
        )
        self._app = self._application(config)

    def run(self) -> ExitCode:
        """Show the screen until somebody leaves or the goal is reached.

        What is wrong with the first answer is raised before the screen opens, to be said where it
        can be read: ServerRefused, Unreachable, UsageFault. Raises Ended where a signal has put an
        end to waiting for the goal.
        """
        if self._plan.timeout_s is not None:
            self._ends = time.monotonic() + self._plan.timeout_s
        self._feed.start()
        self._herald.start()
        try:
            if not self._answered_in_time():
                return given_up(self._plan, self._view.server)
            terminal.forget_typed()  # before there was a screen whose keys it could be
            with ending_told(self._told, (*ENDING, signal.SIGINT)):
                self._app.run(pre_run=self._begin, handle_sigint=False)
        finally:
            self._feed.stop()
            self._herald.finish()
        if self._ended_by is not None:
            raise Ended(self._ended_by)
        return given_up(self._plan, self._view.server) if self._time_is_up else self._code

    def _answered_in_time(self) -> bool:
        """Whether a first answer has come before the time is up. Raises what is wrong with it."""
        tells_at = time.monotonic() + PATIENT_S
        while not self._answered_once.wait(min(HEAR_S, self._left_s())):
            if not self._left_s():
                return False
            if time.monotonic() >= tells_at:
                say(f"waiting for {self._view.server}; Ctrl-C leaves")
                tells_at = math.inf
        update = self._last
        assert update is not None
        see_it_answered(update, self._plan.goal is not None)
        if update.result is not None and self._plan.key:
            choose_key(update.result.column_names, update.result.rows, self._plan.key)
        return True

    def _left_s(self) -> float:
        return max(0.0, self._ends - time.monotonic())

    def _begin(self) -> None:
        """In the application's loop: what has come so far, and the time that is left."""
        loop = self._app.loop
        assert loop is not None
        if signal.getsignal(signal.SIGTSTP) == signal.SIG_DFL:
            loop.add_signal_handler(signal.SIGTSTP, run_in_terminal, self._stop)
        if self._plan.timeout_s is not None:
            loop.call_later(self._left_s(), self._give_up)
        if self._last is not None:
            self._take(self._last)
        self._end()

    def _stop(self) -> None:
        """Stop all of the job, as Ctrl-Z in a shell does, until its fg."""
        loop = self._app.loop
        assert loop is not None
        ours = loop.remove_signal_handler(signal.SIGTSTP)
        os.kill(0, signal.SIGTSTP)
        if ours:
            loop.add_signal_handler(signal.SIGTSTP, run_in_terminal, self._stop)

    def _leave(self, code: ExitCode) -> None:
        if self._app.is_running and not self._app.is_done:
            self._code = code
            self._app.exit()

    def _give_up(self) -> None:
        """The time is up; what is said of that is said below the screen."""
        self._time_is_up = not self._app.is_done
        self._leave(ExitCode.NOT_MET)

    def _abandon(self, name: str) -> None:
        """Leave by a key. What waits for the condition must not go on as if it had held."""
        if self._plan.goal is None:
            self._leave(ExitCode.OK)
        else:
            self._leave(ExitCode.INTERRUPTED if name == "c-c" else ExitCode.NOT_MET)

    def _told(self, number: int) -> None:
        """A signal has come, between any two steps of the application's thread."""
        self._signal = number
        if self._app.loop is not None:
            self._app.loop.call_soon_threadsafe(self._end)

    def _end(self) -> None:
        """Do what a signal has asked for: with a condition it ends the command as it ends a
        stream."""
        if self._signal == signal.SIGINT:
            self._abandon("c-c")
        elif self._signal is not None:
            if self._plan.goal is not None and not self._app.is_done:
                self._ended_by = self._signal
            self._leave(ExitCode.OK)

    # --- The feed's thread ------------------------------------------------------------------

    def _heard(self, update: Update) -> None:
        self._herald.hear(update)
        loop = self._app.loop
        if loop is None or not self._app.is_running:
            self._last = update  # taken in as soon as there is a screen
            self._answered_once.set()
            return
        try:
            loop.call_soon_threadsafe(self._take, update)
        except RuntimeError:
            pass  # the screen has just ended

    def _hook_failed(self, sentence: str) -> None:
        loop = self._app.loop
        if loop is not None and self._app.is_running:
            loop.call_soon_threadsafe(self._say, sentence)

    # --- The application's thread -----------------------------------------------------------

    def _say(self, sentence: str) -> None:
        self._change(msgspec.structs.replace(self._view, message=sentence))

    def _change(self, view: View) -> None:
        self._view = view
        self._app.invalidate()

    def _take(self, update: Update) -> None:
        """An update has come."""
        self._change(taken(self._view, update, self._plan.key, time.monotonic()))
        newest = self._view.newest
        if update.result is not None and newest.sql != update.sql == self._watched.sql:
            # It has no column of --key; what stands there would grow old.
            self._feed.ask(msgspec.structs.replace(self._watched, sql=newest.sql))
        if self._plan.goal is not None and self._plan.goal.reached(update):
            self._leave(ExitCode.OK)

    def _press(self, name: str) -> None:
        self._change(pressed(self._view, name))
        view = self._view
        if view.quitting:
            self._abandon(name)
        elif view.asking:
            begin = {"filter": view.filter, "sql": self._watched.sql, "file": ""}[view.asking]
            self._before = view
            self._line.text = begin
            self._line.cursor_position = len(begin)
            self._file_there = None
            self._app.vi_state.reset()
            self._app.layout.focus(self._line)
        elif view.now:
            self._view = msgspec.structs.replace(view, now=False)
            self._feed.wake()
        elif view.copying:
            self._copy(msgspec.structs.replace(view, copying=False))

    def _copy(self, view: View) -> None:
        sequence, message = copied(view)
        self._app.output.write_raw(sequence)
        self._app.output.flush()
        self._change(msgspec.structs.replace(view, message=message))

    def _typed(self, buffer: Buffer) -> None:
        """A filter is in force while it is typed, as far as it goes."""
        if self._view.asking == "filter":
            self._change(msgspec.structs.replace(self._view, filter=buffer.text.strip(), top=0))

    def _answered(self, buffer: Buffer) -> bool:
        """Enter, in the line at the bottom."""
        text, asking = buffer.text.strip(), self._view.asking
        if asking == "file" and text != self._file_there and is_there(text):
            self._ask_again(text)
            return True
        view = msgspec.structs.replace(self._view, asking="")
        if asking == "sql" and text:
            view = self._ask(view, text)
        elif asking == "file" and text:
            view = msgspec.structs.replace(view, message=written(self._view, text, self._frame()))
        self._change(view)
        self._app.layout.focus(self._body)
        return False

    def _ask_again(self, path: str) -> None:
        """Whether to overwrite it; where the line is too long for both, the question is seen."""
        self._file_there = path
        if width(_OVERWRITES + visible(path)) >= self._app.output.get_size().columns:
            self._line.cursor_position = 0

    def _prompt(self) -> str:
        """What stands before the line at the bottom."""
        asking = self._view.asking
        if asking == "file" and self._line.text.strip() == self._file_there:
            return _OVERWRITES
        return _ASKED.get(asking, "")

    def _ask(self, view: View, sql: str) -> View:
        """Ask this from now on, where it can be sent."""
        try:
            in_utf8("SQL", sql)
        except UsageFault as error:
            return msgspec.structs.replace(view, message=error.sentence)
        self._watched = msgspec.structs.replace(self._watched, sql=sql.rstrip(";"))
        self._feed.ask(self._watched)
        return msgspec.structs.replace(resumed(view), message="")

    def _frame(self) -> str:
        size = self._app.output.get_size()
        return plain(frame(self._view, size.columns, size.rows, time.monotonic(), self._look))

    def _fragments(self) -> StyleAndTextTuples:
        size = self._app.output.get_size()
        lines = size.rows - self._line_height() * bool(self._view.asking)
        now = time.monotonic()
        asked = msgspec.structs.replace(self._view, asked_at=self._feed.asked_at)
        self._view = fitted(asked, size.columns, lines, now, self._look)
        out: StyleAndTextTuples = []
        for line in frame(self._view, size.columns, lines, now, self._look):
            out += [(f"class:{style}" if style else "", text) for style, text in line]
            out.append(("", "\n"))
        return out[:-1]

    def _application(self, config: Config) -> Application[None]:
        self._body = Window(
            FormattedTextControl(
                self._fragments, focusable=True, get_cursor_position=lambda: Point(0, 0)
            ),
            always_hide_cursor=True,
        )
        prompt = BeforeInput(self._prompt, style="class:header")
        control = BufferControl(self._line, input_processors=[prompt])
        # As far left as the cursor lets it: prompt_toolkit would stay where a longer line was.
        line = Window(control, height=self._line_height, get_horizontal_scroll=lambda _: 0)
        asking = Condition(lambda: bool(self._view.asking))
        coloured = terminal.coloured(sys.stdout, config.colors)
        application: Application[None] = Application(
            layout=Layout(WholeLines([self._body, ConditionalContainer(line, asking)])),
            key_bindings=self._keys(asking),
            style=Style.from_dict(_STYLES["light" if config.theme == "light" else "dark"]),
            include_default_pygments_style=False,
            color_depth=None if coloured else ColorDepth.DEPTH_1_BIT,
            editing_mode=EditingMode.VI if config.keys == "vi" else EditingMode.EMACS,
            full_screen=True,
            refresh_interval=TICK_S,
            after_render=keep_the_cursor,
            enable_page_navigation_bindings=False,
        )
        application.timeoutlen, application.ttimeoutlen = ESCAPED_S, terminal.SEQUENCE_S
        return application

    def _line_height(self) -> int:
        """As many lines as are typed, and at most half of the screen."""
        half = self._app.output.get_size().rows // 2
        return max(1, min(self._line.document.line_count, half))

    def _keys(self, asking: Condition) -> KeyBindings:
        keys = KeyBindings()
        helping = Condition(lambda: self._view.help)
        for name in _ANY_KEY:  # first: of those that mean something what comes last counts
            keys.add(name, filter=helping)(self._presser(name))
        for name in NAMES:
            keys.add(name, filter=~asking)(self._presser(name))

        @keys.add("c-z")
        def _(event: KeyPressEvent) -> None:
            """To the shell, until its fg."""
            run_in_terminal(self._stop)

        @keys.add("c-l")
        def _(event: KeyPressEvent) -> None:
            """Wipe away what others have written, and draw all of it again."""
            event.app.renderer.clear()

        @keys.add("escape", Keys.Any, filter=asking & emacs_mode)
        def _(event: KeyPressEvent) -> None:
            """Typed with Alt and without a meaning: neither Esc nor a key of the screen."""

        @keys.add("escape", filter=asking & (emacs_mode | vi_navigation_mode))
        @keys.add("c-c", filter=asking)
        def _(event: KeyPressEvent) -> None:
            """Leave the line at the bottom; nothing is changed."""
            view = msgspec.structs.replace(self._view, asking="")
            if self._view.asking == "filter":
                before = self._before
                view = msgspec.structs.replace(view, filter=before.filter, top=before.top)
            self._change(view)
            self._app.layout.focus(self._body)

        return keys

    def _presser(self, name: str):  # type: ignore[no-untyped-def]  # as prompt_toolkit wants it
        def act(event: KeyPressEvent) -> None:
            self._press(name)

        return act


def taken(view: View, update: Update, key: tuple[str, ...], now: float) -> View:
    """The state after an update. Pure."""
    trouble = update.unknown or ""
    since = view.trouble_since if trouble and view.trouble == trouble else now
    view = msgspec.structs.replace(
        view, trouble=trouble, trouble_since=since, duration_s=update.duration_s
    )
    if update.error is not None:
        return msgspec.structs.replace(view, message=update.error)
    result = update.result
    if result is None:
        return view
    view = msgspec.structs.replace(view, took_s=update.took_s)
    newest = view.newest
    before = newest.picture if newest.picture.names and update.sql == newest.sql else None
    try:
        picture = _compared(before, result, key, keep_order=not is_ordered(update.sql))
    except UsageFault as error:  # the statement is another, without a column of --key
        return msgspec.structs.replace(view, message=error.sentence)
    return showing(view, Seen(update.sql, picture, now - result.generation_age_s, trouble))


def _compared(
    before: Picture | None, result: Result, key: tuple[str, ...], keep_order: bool
) -> Picture:
    """The picture of a result: the one before itself, where it is the same."""
    if before is not None and not differs(before, result):
        return before
    return compare(before, result, key, keep_order)
