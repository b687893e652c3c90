"""Real servers for tests: on free ports, in the test's own directory, rotated by hand."""

from __future__ import annotations

import atexit
import os
import shutil
import signal
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from wire import Wire

from qasino_server.server import Server
from qasino_server.settings import Settings

IDENTITY = "test-server"

MakeServer = Callable[..., Server]

# A machine that is busy makes no property false.
settings.register_profile("patient", settings.default, deadline=None)
settings.load_profile("patient")

# What tests start hears them, also where they run under nohup or behind a shell's `&`, which
# have them ignored.
signal.signal(signal.SIGHUP, signal.SIG_DFL)
signal.signal(signal.SIGQUIT, signal.SIG_DFL)
signal.signal(signal.SIGINT, signal.default_int_handler)

# Where Python is told to keep no bytecode, each command that a test starts would compile all it
# imports anew: four tenths of the processor time of tests of the command line.
if os.environ.pop("PYTHONDONTWRITEBYTECODE", None) and "PYTHONPYCACHEPREFIX" not in os.environ:
    os.environ["PYTHONPYCACHEPREFIX"] = tempfile.mkdtemp(prefix="qasino-tests-bytecode-")
    atexit.register(shutil.rmtree, os.environ["PYTHONPYCACHEPREFIX"], ignore_errors=True)


def settings_in(place: Path, **overrides: Any) -> Settings:
    """Settings of a server that keeps everything in `place` and listens on free ports."""
    defaults: dict[str, Any] = {
        "http_port": 0,
        "zmq_port": 0,
        "pubsub_port": 0,
        "line_port": 0,
        "identity": IDENTITY,
        "static_db": place / "static.db",
        "db_dir": place / "db",
        "views_file": place / "views.conf",
    }
    return Settings(**(defaults | overrides))


def _maker(place: Path, stack: ExitStack) -> MakeServer:
    def make(**overrides: Any) -> Server:
        server = Server(settings_in(place, **overrides))
        server.start(heartbeat=False)
        stack.callback(server.stop)
        return server

    return make


@pytest.fixture
def make_server(tmp_path: Path) -> Iterator[MakeServer]:
    """Starts servers with these settings; all of them are stopped when the test ends.

    Two of one test share their directories unless told otherwise: the second then stands for
    a restart, once the first is stopped.
    """
    with ExitStack() as stack:
        yield _maker(tmp_path, stack)


@pytest.fixture(scope="module")
def make_module_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MakeServer]:
    """As `make_server`, for a server that all tests of a file share."""
    with ExitStack() as stack:
        yield lambda **overrides: _maker(tmp_path_factory.mktemp("server"), stack)(**overrides)


@pytest.fixture
def server(make_server: MakeServer) -> Server:
    """A server with the defaults; it rotates when a test says so."""
    return make_server()


@pytest.fixture
def wire_to() -> Iterator[Callable[[Server], Wire]]:
    """Makes a client for a server; closed when the test ends."""
    with ExitStack() as stack:
        yield lambda server: stack.enter_context(Wire(server.ports))


@pytest.fixture
def wire(server: Server, wire_to: Callable[[Server], Wire]) -> Wire:
    """A client for `server`."""
    return wire_to(server)
