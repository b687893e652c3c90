"""Values that come while a completion is under way that has asked for them too early."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator

from prompt_toolkit import PromptSession
from prompt_toolkit.application import create_app_session
from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document
from prompt_toolkit.input import create_pipe_input
from prompt_toolkit.output import DummyOutput
from wire import Wire, until

from qasino_cli.connection import Connection
from qasino_cli.sql.repl.live import Live
from qasino_cli.sql.repl.prompt import _renew
from qasino_server.server import Server


class Slow(Completer):
    """Has nothing to offer the first time, and is slow to say so."""

    def __init__(self) -> None:
        self.asked, self.goes_on = threading.Event(), threading.Event()

    def get_completions(self, document: Document, event: CompleteEvent) -> Iterator[Completion]:
        if self.asked.is_set():
            yield Completion("value")
        self.asked.set()
        assert self.goes_on.wait(10)


def _offered(session: PromptSession[str]) -> list[str]:
    state = session.default_buffer.complete_state
    return [one.text for one in state.completions] if state else []


def test_values_that_come_during_a_completion_open_the_menu_after_it() -> None:
    completer = Slow()

    async def offered() -> list[str]:
        session: PromptSession[str] = PromptSession(completer=completer, complete_in_thread=True)
        prompting = asyncio.ensure_future(session.prompt_async())
        typed.send_text("x")
        await asyncio.to_thread(completer.asked.wait, 10)
        _renew(session.app, True)
        await asyncio.sleep(0)  # what it began has seen that another is under way
        completer.goes_on.set()
        gives_up_at = time.monotonic() + 10
        while not (texts := _offered(session)) and time.monotonic() < gives_up_at:
            await asyncio.sleep(0.01)
        session.app.exit(result="")
        await prompting
        return texts

    with create_pipe_input() as typed, create_app_session(input=typed, output=DummyOutput()):
        assert asyncio.run(offered()) == ["value"]


def test_values_are_those_of_the_generation(server: Server, wire: Wire) -> None:
    there = Connection(scheme="zmq", host="127.0.0.1", port=server.ports["zmq"])
    live = Live(there, lambda others: None)
    wire.publish("web-1", "t", ["a"], ["text"], [["old"]])
    server.rotate()
    live.start()
    try:
        until(lambda: live.values_of("t", "a") == ("'old'",))
        wire.publish("web-1", "t", ["a"], ["text"], [["new"]])
        server.rotate()
        live.refresh()
        until(lambda: live.values_of("t", "a") == ("'new'",))
    finally:
        live.stop()
        assert live.join(10)
