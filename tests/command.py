"""The command line as users have it: a process, its streams and its exit code."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from typing import IO

from qasino_server.server import Server

COMMAND = [sys.executable, "-m", "qasino_cli.main"]
TIMEOUT_S = 30.0

_HOME = tempfile.TemporaryDirectory(prefix="qasino-tests-")

Ran = subprocess.CompletedProcess[str]
Qasino = Callable[..., Ran]

TABLE_CSV = """\
1
myapplication_table1
ipaddr,datacenter,stat1,stat2
ip,string,integer,integer
IP Address,Datacenter,Num Frobs,Num Foobs
1.2.3.4,BOS,123,456
"""


def clean_environment(**variables: str) -> dict[str, str]:
    """The environment without anything that tells a client or a server what to do.

    Whoever runs the tests keeps configuration and history out of them, and them out of those.
    """
    kept = {name: value for name, value in os.environ.items() if not name.startswith("QASINO_")}
    own = {f"XDG_{kind}_HOME": _HOME.name for kind in ("CONFIG", "STATE", "CACHE")}
    fixed = {"COLUMNS": "100", "TERM": "dumb", "NETRC": os.devnull}
    return kept | own | fixed | variables


def run_qasino(*args: object, stdin: str | bytes = "", **variables: str) -> Ran:
    """Run `qasino ARGS..` to its end."""
    body = stdin.encode() if isinstance(stdin, str) else stdin
    ran = subprocess.run(
        [*COMMAND, *map(str, args)],
        input=body,
        capture_output=True,
        timeout=TIMEOUT_S,
        env=clean_environment(**variables),
    )
    return Ran(ran.args, ran.returncode, ran.stdout.decode(), ran.stderr.decode())


def start_qasino(
    *args: object,
    stdin: int | None = subprocess.DEVNULL,
    stderr: int | IO[bytes] = subprocess.PIPE,
    **variables: str,
) -> subprocess.Popen[bytes]:
    """Start `qasino ARGS..`; its stdout and, unless told otherwise, stderr are pipes."""
    return subprocess.Popen(
        [*COMMAND, *map(str, args)],
        stdin=stdin,
        stdout=subprocess.PIPE,
        stderr=stderr,
        env=clean_environment(**variables),
    )


def zmq_url(server: Server) -> str:
    """The URL of a server's ZeroMQ port."""
    return f"zmq://127.0.0.1:{server.ports['zmq']}"


def http_url(server: Server) -> str:
    """The URL of a server's HTTP port."""
    return f"http://127.0.0.1:{server.ports['http']}"
