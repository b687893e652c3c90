"""Lines that are drawn whole: what makes prompt_toolkit right on every terminal.

It draws the cells that differ and counts the columns to them one character at a time. A flag, a
family of joined pictures, a vowel sign of Hindi: terminals count those otherwise, each in its own
way, and a number behind one would be drawn beside its place, among the digits of the one before.
So a line in which anything differs is wiped and drawn from its first column, where all agree.
"""

from __future__ import annotations

from prompt_toolkit.application import Application, get_app
from prompt_toolkit.layout import HSplit
from prompt_toolkit.layout.mouse_handlers import MouseHandlers
from prompt_toolkit.layout.screen import Char, Screen, WritePosition

_WIPE = "\x1b[K"
_UNLIKE_ANY = Char("")


class WholeLines(HSplit):
    """A column of windows over the whole screen, whose lines are drawn whole or not at all."""

    def write_to_screen(
        self,
        screen: Screen,
        mouse_handlers: MouseHandlers,
        write_position: WritePosition,
        parent_style: str,
        erase_bg: bool,
        z_index: int | None,
    ) -> None:
        super().write_to_screen(
            screen, mouse_handlers, write_position, parent_style, erase_bg, z_index
        )
        seen = get_app().renderer.last_rendered_screen
        if seen is not None:
            _forget_changed(seen, screen, write_position)


def _forget_changed(seen: Screen, screen: Screen, size: WritePosition) -> None:
    """Make the lines that differ differ in each of their cells, and begin by wiping them."""
    for y in range(size.height):
        old, new = seen.data_buffer[y], screen.data_buffer[y]
        if any(old[x] != new[x] for x in range(size.width)):
            old.clear()
            old[0] = _UNLIKE_ANY
            screen.zero_width_escapes[y][0] = _WIPE


def keep_the_cursor(application: Application[None]) -> None:
    """Put the cursor where prompt_toolkit has it: it went there by columns to the left, from the
    end of a line that may have ended elsewhere."""
    seen = application.renderer.last_rendered_screen
    if seen is not None:
        at = seen.get_cursor_position(application.layout.current_window)
        application.output.cursor_goto(at.y + 1, at.x + 1)
        application.output.flush()
