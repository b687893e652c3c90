"""What an agent costs: `python -m tests.bench.csvagent [FILES]`

Processor time of the agent's process, its children's none, from /proc: at rest with events, at
rest polling, for one generation's sending, and for a change of every file; memory; the
descriptors and the memory after many changes. watchdog's PollingObserver beside it.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

from qasino_cli.client import open_client
from qasino_cli.connection import Connection
from qasino_server.errors import QasinoError
from qasino_server.message import Query
from tests.bench.processes import Host
from tests.bench.resources import cpu_s

REST_S = 20.0
CYCLES = 300
POLLER = (
    "import sys, time; from watchdog.observers.polling import PollingObserver as P;"
    "from watchdog.events import FileSystemEventHandler as H;"
    "o = P(timeout=1); o.schedule(H(), sys.argv[1]); o.start(); print(flush=True); time.sleep(999)"
)


def rss_mib(pid: int) -> float:
    """Resident memory."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * 4096 / (1 << 20)


def nr_descriptors(pid: int) -> int:
    """Open file descriptors."""
    return len(os.listdir(f"/proc/{pid}/fd"))


def write_files(place: Path, number: int, value: int) -> None:
    """So many tables of 20 rows x 5 columns."""
    for n in range(number):
        rows = "".join(f"{value},host-{r},{r * 1.5},ok,some text of a row\n" for r in range(20))
        path = place / f"t{n}.csv"
        temporary = path.with_suffix(".tmp")
        temporary.write_text(f"1\nt{n}\na,b,c,d,e\nint,str,real,str,str\nA,B,C,D,E\n{rows}")
        os.replace(temporary, path)


def count_of(host: Host, sql: str) -> int:
    """A number from the open generation, -1 where it has none."""
    client = open_client(Connection(host="127.0.0.1", port=host.ports["zmq"]))
    try:
        return int(client.query(Query(sql=sql, typed=True, use_write_db=True)).rows[0][0])
    except (QasinoError, IndexError, TypeError):
        return -1
    finally:
        client.close()


@contextmanager
def running(
    host: Host, place: Path, number: int, *options: str, port: int | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """An agent of the files in `place`, once all of them are published; ended afterwards. With a
    `port` it finds the server there."""
    server = f"zmq://127.0.0.1:{port or host.ports['zmq']}"
    words = ["csvagent", "-s", server, "-d", "0", *options, "--directory", str(place)]
    agent = subprocess.Popen(
        [sys.executable, "-m", "qasino_cli.main", *words, "--log-level", "warning"]
    )
    try:
        wait_for(lambda: count_of(host, reported(number)) == 1)
        yield agent
    finally:
        agent.send_signal(signal.SIGTERM)
        agent.wait(10)


def reported(number: int) -> str:
    """Whether the agent has sent so many tables for the open generation: 1 if so."""
    return f"select nr_tables = {number} from qasino_csvpublisher_info"


def wait_for(condition: Callable[[], bool], within_s: float = 60.0) -> None:
    ends = time.monotonic() + within_s
    while not condition():
        if time.monotonic() > ends:
            raise TimeoutError
        time.sleep(0.05)


def at_rest(pid: int, seconds: float) -> float:
    """Percent of one processor over some seconds in which nothing happens."""
    before = cpu_s(pid)
    time.sleep(seconds)
    return (cpu_s(pid) - before) / seconds * 100


def sending(pid: int, host: Host, number: int, rounds: int) -> tuple[list[float], list[float]]:
    """Processor time of a generation's sending, and the time until all is there, in seconds."""
    host.rotate()  # the first signal may have been missed
    wait_for(lambda: count_of(host, reported(number)) == 1)
    used_s, took_s = [], []
    for _ in range(rounds):
        before, began = cpu_s(pid), time.monotonic()
        host.rotate()
        wait_for(lambda: count_of(host, reported(number)) == 1)
        took_s.append(time.monotonic() - began)
        used_s.append(cpu_s(pid) - before)
    return used_s, took_s


def measure(host: Host, place: Path, number: int) -> None:
    print(f"{number} files of 20 rows x 5 columns")
    for options in ((), ("--poll",)):
        host.rotate()
        what = " ".join(options) or "events"
        began = time.monotonic()
        with running(host, place, number, *options) as agent:
            took_s = time.monotonic() - began
            used = f"{cpu_s(agent.pid):.2f} s of processor time, {rss_mib(agent.pid):.0f} MiB"
            print(f"  {what}: all published after {took_s:.2f} s, {used}")
            time.sleep(2)
            print(f"  {what}: at rest {at_rest(agent.pid, REST_S):.2f} % of a processor")
            if not options:
                used_s, taken_s = (median(found) for found in sending(agent.pid, host, number, 5))
                print(f"  one generation: {used_s:.2f} s of processor time in {taken_s:.2f} s")
                changing(agent.pid, host, place, number)
    poller = subprocess.Popen([sys.executable, "-c", POLLER, str(place)], stdout=subprocess.PIPE)
    assert poller.stdout is not None
    poller.stdout.readline()
    rest = at_rest(poller.pid, REST_S)
    print(f"  watchdog's PollingObserver alone: at rest {rest:.2f} %")
    poller.kill()
    poller.communicate()


def changing(pid: int, host: Host, place: Path, number: int) -> None:
    last = f"select a from t{number - 1}"
    before, began = cpu_s(pid), time.monotonic()
    write_files(place, number, 2)
    wait_for(lambda: count_of(host, last) == 2)
    print(f"  every file changed: published within {time.monotonic() - began:.2f} s,"
          f" {cpu_s(pid) - before:.2f} s of processor time")  # fmt: skip
    figures = []
    for cycle in range(3, CYCLES + 3):
        write_files(place, 3, cycle)
        wait_for(lambda cycle=cycle: count_of(host, "select a from t2") == cycle)
        if cycle % 100 == 0:
            figures.append(f"{rss_mib(pid):.1f} MiB {nr_descriptors(pid)} descriptors")
    print(f"  after 100, 200, 300 changes of 3 files: {'; '.join(figures)}")


def main() -> None:
    number = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    host = Host()
    try:
        with tempfile.TemporaryDirectory() as name:
            place = Path(name)
            write_files(place, number, 1)
            measure(host, place, number)
    finally:
        host.close()


if __name__ == "__main__":
    main()
