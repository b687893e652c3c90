"""`qasino sql` with a person at the keyboard."""

from __future__ import annotations

from collections.abc import Callable

from terminal_screen import Terminal

PROMPT = "qasino> "

Start = Callable[..., "Sql"]


class Sql(Terminal):
    """`qasino sql` in a terminal."""

    def prompt(self) -> None:
        """Wait for a prompt with nothing typed at it, the last thing above the toolbar."""
        self.until(lambda: self._typed() == PROMPT.strip(), "a prompt")

    def connected(self) -> None:
        """Wait for a prompt that has heard from its server."""
        self.prompt()
        self.see("generation")

    @property
    def prompts(self) -> list[str]:
        """The lines of the prompts on the screen."""
        return [line for line in self.lines if line.startswith(PROMPT.strip())]

    def _typed(self) -> str:
        """The line of the last prompt."""
        return self.prompts[-1] if self.prompts else ""

    def run(self, text: str, *answers: str) -> None:
        """Clear the screen, type a line and Enter, wait for the answer and a prompt under it."""
        self.press("\x0c", lambda: self.lines[0] == PROMPT.strip(), "a clean screen")
        self.type(text + "\r")
        self.see(*answers)
        self.until(lambda: self.lines[0] != PROMPT.strip(), "what was typed")
        self.prompt()

    def leave(self) -> int:
        """Ctrl-D at a prompt, for before there is one the terminal keeps it; the exit code."""
        self.prompt()
        self.type("\x04")
        return self.wait()
