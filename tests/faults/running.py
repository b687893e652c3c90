"""Servers as processes, and what can be seen of them from outside while things go wrong.

Every server of this suite is looked at when its test ends: unless the test has ended it, it still
answers on every port, stops as it is told to and leaves nothing in its db-dir; and no server
has logged a traceback.

In its short form, which CI runs, the suite shows each thing once. QASINO_FAULTS=long repeats it
until rare orders of events have had their chance.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from server_process import launch, ports_of
from wire import Wire, until

LONG = os.environ.get("QASINO_FAULTS") == "long"


class Held(NamedTuple):
    """What a server holds at one moment."""

    private_bytes: int
    """Memory of its own, without the pages of files it reads."""
    descriptors: int
    sockets: int
    """Of these."""
    files: int
    """Generations in its db-dir."""


class Running:
    """One server process."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path, db_dir: Path) -> None:
        self.process = process
        self.db_dir = db_dir
        self.ended = False
        """Whether the test has ended it."""
        self._log = log
        self.wire = Wire({})

    def said(self) -> str:
        """Everything it has logged."""
        return self._log.read_text()

    def tracebacks(self) -> list[str]:
        """Lines of its log with one, but for what libfaketime makes of a sleep that begins at the
        moment of a step: it reads the clock twice, and finds a time that is negative."""
        found = [line for line in self.said().splitlines() if "Traceback" in line]
        artefact = ("time.sleep(", "OSError: [Errno 22] Invalid argument")
        return [line for line in found if not all(part in line for part in artefact)]

    def send(self, number: signal.Signals) -> None:
        """Send it a signal."""
        os.kill(self.process.pid, number)

    def kill(self) -> None:
        """kill -9, and wait until it is gone."""
        self.process.kill()
        self.process.wait(30)
        self.ended = True

    def held(self) -> Held:
        """Memory, descriptors and files."""
        proc = Path(f"/proc/{self.process.pid}")
        descriptors = _descriptors(proc / "fd")
        return Held(
            private_bytes=_private_bytes((proc / "smaps_rollup").read_text()),
            descriptors=len(descriptors),
            sockets=sum(link.startswith("socket:") for link in descriptors),
            files=len(list(self.db_dir.glob("run-*/*.db"))),
        )

    def publish(self, identity: str, table: str, value: object, **flags: Any) -> dict[str, Any]:
        """Publish a table of one row, `v int`; the answer."""
        return self.wire.publish(identity, table, ["v"], ["int"], [[value]], **flags)

    def generation(self) -> int:
        """The number of the snapshot."""
        number: int = self.wire.query("select 1")["generation_number"]
        return number

    def turns(self, times: int = 1) -> int:
        """Wait until the snapshot has changed so often; its number."""
        number = self.generation()
        for _ in range(times):
            before = number
            number = until(lambda before=before: (n := self.generation()) != before and n, 30)
        return number

    def is_well(self) -> None:
        """Fail unless every port answers and what is published comes into a snapshot."""
        mark = time.monotonic_ns()
        if "zmq" in self.wire.ports:
            assert b"result_table" in self.wire.zmq_request({"op": "query", "sql": "select 1"})[0]
        if "line" in self.wire.ports:
            assert "1 rows returned" in self.wire.line("select 1;")
        assert self.publish("is-well", "is_well", mark, replace=1)["response_op"] == "ok"
        until(lambda: self.sees("select max(v) from is_well", [[mark]]), within_s=30)

    def sees(self, sql: str, rows: list[list[Any]]) -> bool:
        """Whether the query is answered with these rows now."""
        answer = self.wire.query(sql, typed=True)
        return answer["response_op"] == "result_table" and answer["table"]["rows"] == rows

    def stop(self) -> str:
        """End it with SIGTERM, within five seconds; everything it has logged."""
        began = time.monotonic()
        self.send(signal.SIGTERM)
        code = self.process.wait(30)
        self.ended = True
        assert (code, time.monotonic() - began < 6) == (0, True), self.said()
        assert list(self.db_dir.glob("run-*")) == []
        return self.said()


class Site:
    """A place on disk, and the servers that run there one after the other."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self.db_dir = place / "db"
        self.static_db = place / "static.db"
        self.servers: list[Running] = []

    def start(self, *options: object, **variables: str) -> Running:
        """A server that serves; by default a generation lasts a second. Later options win."""
        running, ports_file = self._launch(*options, **variables)
        running.wire = Wire(ports_of(running.process, ports_file))
        assert running.wire.ports, running.said()
        return running

    def start_and_kill(self, after_s: float, *options: object) -> None:
        """A server that is killed so long after it was launched, whatever it is doing then."""
        running, _ = self._launch(*options)
        time.sleep(after_s)
        running.kill()

    def refusal(self, *options: object) -> str:
        """What a server says that cannot start; one sentence, exit code 1, and nothing left."""
        said = self.refusal_beside(*options)
        assert list(self.db_dir.glob("run-*")) == []
        return said

    def refusal_beside(self, *options: object) -> str:
        """The same while another server runs here."""
        running, ports_file = self._launch(*options)
        began = time.monotonic()
        running.ended = True
        assert not ports_of(running.process, ports_file), running.said()
        lines = [line for line in running.said().splitlines() if " INFO " not in line]
        assert (running.process.returncode, len(lines)) == (1, 1), running.said()
        assert time.monotonic() - began < 20
        return lines[0]

    def _launch(self, *options: object, **variables: str) -> tuple[Running, Path]:
        name = f"{len(self.servers)}"
        ports_file, log = self.place / f"ports-{name}.json", self.place / f"log-{name}.txt"
        chosen = ("-g", 1, "--ports-file", ports_file, *options)
        with log.open("wb") as stderr:
            process = launch(self.place, *chosen, stderr=stderr, **variables)
        db_dir = Path(str(chosen[chosen.index("--db-dir") + 1])) if "--db-dir" in chosen else None
        self.servers.append(Running(process, log, db_dir or self.db_dir))
        return self.servers[-1], ports_file

    def end(self) -> None:
        """Look at every server, and leave nothing running."""
        try:
            for running in self.servers:
                if not running.ended:
                    assert running.process.poll() is None, running.said()
                    running.is_well()
                    running.stop()
                assert not running.tracebacks(), running.said()
        finally:
            for running in self.servers:
                running.wire.close()
                if running.process.poll() is None:
                    running.send(signal.SIGCONT)
                    running.process.kill()
                running.process.communicate()


def _descriptors(place: Path) -> list[str]:
    """What each is of; '' where it was closed meanwhile."""

    def target(name: str) -> str:
        with suppress(OSError):
            return os.readlink(place / name)
        return ""

    return [target(name) for name in os.listdir(place)]


def _private_bytes(smaps_rollup: str) -> int:
    fields = (line.split() for line in smaps_rollup.splitlines()[1:])
    return sum(int(f[1]) << 10 for f in fields if f[0] in ("Private_Dirty:", "Swap:"))
