"""An agent in a thread of the test, in a hurry, against a real server; and files for it."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from command import COMMAND
from wire import Wire, until

from qasino_cli.clock import Clock
from qasino_cli.connection import Connection
from qasino_cli.csvagent.agent import Agent, Errand
from qasino_cli.csvagent.catalogue import Assignment, Catalogue
from qasino_cli.csvagent.courier import Courier
from qasino_cli.csvagent.pace import Pace
from qasino_cli.csvagent.parcel import Wrapping
from qasino_cli.csvagent.watching import Watcher, native_observer
from qasino_cli.generation_clock import GenerationClock
from qasino_server.server import Server

IDENTITY = "web-1"
COLUMNS = ["path", "table", "state", "rows", "mtime", "published_at", "error", "error_line"]

HURRY = Pace(
    quiet_s=0.02, settle_s=0.15, patience_s=1.0, rescan_s=600.0, poll_s=0.03, scan_gap_s=0.02,
    retry_s=0.05, retry_most_s=0.1,
)  # fmt: skip
"""`rescan_s` is so long that a native agent hears of changes by events or not at all."""

CSVAGENT = [*COMMAND, "csvagent"]


def csv_of(table: str, numbers: Iterable[int], note: str = "x", line_1: str = "1") -> str:
    """A Qasino CSV table of one column n and one of text."""
    rows = "".join(f"{n},{note}\n" for n in numbers)
    return f"{line_1}\n{table}\nn,note\nint,string\nN,Note\n{rows}"


def write_index(path: Path, *lines: str) -> Path:
    path.write_text("".join(f"{line}\n" for line in ("1", *lines)))
    return path


class House:
    """A server, the agents that report to it, and what it has of them."""

    def __init__(self, server: Server, stack: ExitStack) -> None:
        self.server = server
        self.wire = stack.enter_context(Wire(server.ports))
        self._stack = stack

    def connection(self) -> Connection:
        return Connection(scheme="zmq", host="127.0.0.1", port=self.server.ports["zmq"])

    def agent(
        self,
        *,
        poll: bool = False,
        pace: Pace = HURRY,
        clock: Clock | None = None,
        connection: Connection | None = None,
        courier: Courier | None = None,
        make_observer: Callable[[], Any] = native_observer,
        mounts: Path = Path("/proc/self/mounts"),
        max_age_s: float | None = None,
        identity_column: bool = False,
        send_delay_max_s: float = 0.0,
        start: bool = True,
        **wanted: Sequence[Path | str],
    ) -> Agent:
        """An agent that lives until the test ends; its first report has arrived."""
        connection = connection or self.connection()
        named = {what: [str(path) for path in paths] for what, paths in wanted.items()}
        wrapping = Wrapping(IDENTITY, identity_column)
        agent = Agent(
            Catalogue(Assignment(wrapping=wrapping, **named), pace),
            Errand(
                identity=IDENTITY,
                server=connection.url,
                max_age_s=max_age_s,
                send_delay_max_s=send_delay_max_s,
            ),
            clock or GenerationClock(connection),
            courier or Courier(connection, pace, random.Random(1)),
            lambda tell: Watcher(tell, poll=poll, make_observer=make_observer, mounts=mounts),
            pace=pace,
            chance=random.Random(1),
        )
        agent.start()
        self._stack.callback(end, agent)
        if start:
            until(lambda: self.maybe("select 1 from qasino_agent_files") is not None)
        return agent

    def rotate(self) -> None:
        """Begin generations until the agent has reported in one: who has just subscribed may
        miss the first signal."""

        def heard() -> bool:
            self.server.rotate()
            ends = time.monotonic() + 0.3
            while time.monotonic() < ends:
                if self.maybe("select 1 from qasino_agent_files") is not None:
                    return True
            return False

        until(heard)

    def maybe(self, sql: str) -> list[list[Any]] | None:
        """The rows of the open generation; None where the table is not there."""
        answer = self.wire.query(sql, typed=True, use_write_db=True)
        if answer["response_op"] != "result_table":
            return None
        rows: list[list[Any]] = answer["table"]["rows"]
        return rows

    def until_rows(self, sql: str, rows: list[list[Any]]) -> None:
        """Wait until the open generation answers this."""
        found: list[Any] = [None]

        def there() -> bool:
            found[0] = self.maybe(sql)
            return found[0] == rows

        try:
            until(there, 8.0)
        except AssertionError:
            raise AssertionError(f"{sql}: {found[0]} instead of {rows}") from None

    def until_file(self, path: Path, **wanted: Any) -> dict[str, Any]:
        """Wait until the agent says this about a file; all it says."""

        def there() -> dict[str, Any] | None:
            told = self.file(path)
            if told is None:
                return None
            return told if all(told[name] == value for name, value in wanted.items()) else None

        try:
            found: dict[str, Any] = until(there, 8.0)
        except AssertionError:
            raise AssertionError(f"{path}: {self.file(path)}, not {wanted}") from None
        return found

    def file(self, path: Path) -> dict[str, Any] | None:
        """What the agent says about a file."""
        columns = COLUMNS
        names = ", ".join(f'"{name}"' for name in columns)
        rows = self.maybe(f"select {names} from qasino_agent_files where path = '{path}'")
        return dict(zip(columns, rows[0], strict=True)) if rows else None


def end(agent: Agent) -> None:
    agent.stop()
    assert agent.join(5.0)
