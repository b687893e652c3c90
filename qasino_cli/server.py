"""`qasino server`: options to settings, signals to a stop, and what is said at the start.

The options are made from the table in `server_options`; typer reads a function's signature, so
this room gives it one.
"""

from __future__ import annotations

import inspect
import logging
import os
import resource
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Annotated

import msgspec
import typer

from qasino_cli.console import ExitCode
from qasino_cli.errors import UsageFault
from qasino_cli.log_lines import Log, log_to_stderr
from qasino_cli.places import expanded
from qasino_cli.server_options import (
    OPTIONS,
    Configuration,
    Option,
    read_configuration,
    read_file,
    unknown_variables,
)
from qasino_cli.signals import Order, heeded
from qasino_cli.signature import declare, keyword
from qasino_cli.supervisor import tell_ready, tell_reloading, tell_stopping
from qasino_server.browser import is_local
from qasino_server.errors import StartError
from qasino_server.interpreter import keep_what_is_here
from qasino_server.seats import LEAST_RESERVED_DESCRIPTORS
from qasino_server.server import Server
from qasino_server.settings import Settings
from qasino_server.threads import begin

log = logging.getLogger("qasino.server")

DEMO_DURATION_S = 5
FEWEST_FILES = LEAST_RESERVED_DESCRIPTORS + 16
"""With so few some connections are served and generations go on; ZeroMQ, short of one, ends the
process."""


def server(config: str | None, demo: bool, **given: str | None) -> ExitCode:
    """Run a server until SIGTERM or Ctrl-C; SIGHUP reads certificate, users, keys and views again.

    Every option but --config and --demo is also an environment variable, QASINO_SERVER_HTTP_PORT
    for --http-port, and a key of the YAML file given by --config. The command line counts before
    the environment, the environment before the file.

    \b
    Examples:
      qasino server --demo
      qasino server -g 10 --archive-dir /var/lib/qasino
      qasino server --listen 0.0.0.0 --keys-dir /etc/qasino --users-file /etc/qasino/users.yaml
    """
    if config == "":  # a path without a name is the directory we are in
        raise UsageFault("--config: '' is not the name of a file")
    file = read_file(expanded(config)) if config is not None else {}
    configuration = read_configuration(given, os.environ, file, f"--config: {config}")
    with log_to_stderr(configuration.log_level) as lines:
        for sentence in unknown_variables(os.environ):
            lines.tell(f"WARNING: {sentence}")
        return serve(_for_demo(configuration) if demo else configuration.settings, demo, lines)


def _parameter(option: Option) -> inspect.Parameter:
    if option.flag:
        alone = typer.Option(*option.flags, help=option.help, show_default=False)
        return keyword(option.parameter, Annotated[bool | None, alone], None)
    declared = typer.Option(
        *option.flags, metavar=option.metavar, help=option.help, show_default=False
    )
    return keyword(option.parameter, Annotated[str | None, declared], None)


def _parameters() -> list[inspect.Parameter]:
    """What typer is to see in place of `**given`."""
    config = typer.Option("--config", metavar="FILE", help="Options in YAML. [default: none]")
    demo = typer.Option(
        "--demo",
        help="Also publish this machine's own tables, in generations of 5 s if -g says no other.",
    )
    return [
        *map(_parameter, OPTIONS),
        keyword("config", Annotated[str | None, config], None),
        keyword("demo", Annotated[bool, demo], False),
    ]


declare(server, _parameters())


def _for_demo(configuration: Configuration) -> Settings:
    if configuration.duration_given:
        return configuration.settings
    return msgspec.structs.replace(configuration.settings, generation_duration_s=DEMO_DURATION_S)


def serve(settings: Settings, demo: bool, lines: Log) -> ExitCode:
    """Run a server to its end; REFUSED where a part of it died. Raises StartError."""
    _take_all_descriptors()
    orders = heeded()
    with Server(settings) as running:
        _heed(orders, running)
        running.start()
        keep_what_is_here()
        for line in greeting(settings, running.ports):
            lines.tell(line)
        with _demonstrated(settings, running, demo, lines):
            tell_ready()
            ended_well = running.wait()
            tell_stopping()
    return ExitCode.OK if ended_well else ExitCode.REFUSED


def _take_all_descriptors() -> None:
    """Raise the bound on open files to what the administrator allows: a connection needs one.

    Raises StartError where that is too few to serve anybody.
    """
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    if most != resource.RLIM_INFINITY and most < FEWEST_FILES:
        raise StartError(
            f"a server needs {FEWEST_FILES} open files and may have {most} (ulimit -n,"
            " LimitNOFILE=)"
        )
    with suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def _heed(orders: Iterator[Order], running: Server) -> None:
    """Have a thread of its own carry out what signals ask, however often they come."""

    def carry_out() -> None:
        for order in orders:
            if order.what == "stop":
                log.info("stopping: %s", order.signal)
                running.ask_to_stop()
                continue
            log.info("reading certificate, users, keys and views again: %s", order.signal)
            tell_reloading()
            _reload(running)
            tell_ready()

    begin(threading.Thread(target=carry_out, name="signals", daemon=True))


def _reload(running: Server) -> None:
    """Whatever a reload raises, the thread that waits for the next signal goes on."""
    try:
        running.reload()
    except Exception:
        log.exception("the reload failed")


@contextmanager
def _demonstrated(settings: Settings, running: Server, demo: bool, lines: Log) -> Iterator[None]:
    if not demo:
        yield
        return
    from qasino_cli.demo import Demo, queries_to_try

    publisher = Demo(settings, running.ports)
    for line in queries_to_try(settings, running.ports):
        lines.put(line)
    publisher.start()
    try:
        yield
    finally:
        publisher.stop()
        publisher.join(timeout_s=2.0)


def greeting(settings: Settings, ports: dict[str, int]) -> list[str]:
    """What a server says once its ports are open: where they are, and to whom."""
    listed = ", ".join(f"{name} {port}" for name, port in ports.items()) or "no port"
    lines = [f"qasino {settings.identity} listens on {settings.listen}: {listed}"]
    lines += _idle_options(settings, ports)
    if settings.asks_everywhere:
        return [*lines, _closed_doors(settings), *_read_on_the_way(settings, ports)]
    if is_local(settings.listen):
        return [*lines, "only this host can connect; --listen 0.0.0.0 lets other hosts in"]
    if doors := _open_doors(settings, ports):
        return [
            *lines,
            "WARNING: every host that reaches this one can read and publish all tables: there is no"
            f" authentication on {doors} of {settings.listen}; {_lock(settings)}",
        ]
    return lines


def _open_doors(settings: Settings, ports: dict[str, int]) -> str:
    """The ports that serve whoever reaches them, in words; '' where there are none.

    The signal tells nothing of tables, and HTTPS is never open without users.
    """
    keyed = settings.curve_keys is not None
    doors = [name for name in ports if name in ("http", "line") or (name == "zmq" and not keyed)]
    return " and ".join([", ".join(doors[:-1]), doors[-1]] if len(doors) > 1 else doors)


def _lock(settings: Settings) -> str:
    if settings.asks_over_http or settings.curve_keys is not None:
        return "--require-auth mends that"
    return "--users-file has everybody say who they are"


def _read_on_the_way(settings: Settings, ports: dict[str, int]) -> list[str]:
    if "http" not in ports or not settings.asks_over_http or is_local(settings.listen):
        return []
    return [
        "WARNING: passwords and tokens can be read on their way to the http port of"
        f" {settings.listen}, and all that is told there; --http-port off leaves HTTPS alone"
    ]


def _idle_options(settings: Settings, ports: dict[str, int]) -> list[str]:
    """What was asked for and comes to nothing, which an operator would take for done."""
    certificate = "a certificate (--tls-cert and --tls-key, or --keys-dir)"
    idle = []
    if settings.archive_keep != Settings().archive_keep and settings.archive_dir is None:
        idle.append("WARNING: --archive-keep keeps nothing without --archive-dir")
    if settings.https_port not in (None, Settings().https_port) and "https" not in ports:
        idle.append(f"WARNING: --https-port opens nothing without {certificate}")
    if settings.asks_over_http and not settings.asks_everywhere and "https" not in ports:
        idle.append(
            "WARNING: --htpasswd-file asks nobody: users are asked over HTTPS, which needs"
            f" {certificate}, or everywhere with --require-auth"
        )
    return idle


def _closed_doors(settings: Settings) -> str:
    if settings.curve_keys is not None:
        return "the line port, which cannot ask for users, is closed"
    return (
        "ZeroMQ, the signal and the line port, which cannot ask for users, are closed;"
        " --curve-keys opens ZeroMQ and the signal to those who have a key"
    )
