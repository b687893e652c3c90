"""The options that every client command has, as typer reads them, and the value they make.

Help states the unit and the default. Environment variables are read in `connection`, where
they can be told from the command line.
"""

from __future__ import annotations

import inspect
import os
import sys
from collections.abc import Callable
from typing import Annotated, Any

import typer

from qasino_cli.config import load_config
from qasino_cli.connection import DEFAULT_TIMEOUT_S, Connection, Given, read_connection
from qasino_cli.console import typed_in
from qasino_cli.credentials import unlock
from qasino_cli.durations import MOST_S, read_duration_s
from qasino_cli.errors import UsageFault
from qasino_cli.process_list import strike_out
from qasino_cli.signature import folded, keyword
from qasino_cli.terminal import attached


def _told(*flags: str, metavar: str, help: str, kind: type = str) -> inspect.Parameter:
    """An option with a value, called in Python as its long name is."""
    option = typer.Option(*flags, metavar=metavar, help=help, show_default=False)
    return keyword(_name(flags), Annotated[kind | None, option], None)


def _switch(*flags: str, help: str) -> inspect.Parameter:
    """One that stands alone."""
    return keyword(_name(flags), Annotated[bool, typer.Option(*flags, help=help)], False)


def _name(flags: tuple[str, ...]) -> str:
    return flags[-1].removeprefix("--").replace("-", "_")


_CONNECTION_OPTIONS = (
    _told(
        "-s",
        "--server",
        metavar="URL",
        help="zmq://host:15598, http://host:15597 or https://user@host; a bare host means zmq;"
        " or a name of config.yaml. [env: QASINO_SERVER] [default: zmq://localhost:15598]",
    ),
    _told("-H", "--hostname", metavar="HOST", help="The server's host, instead of -s."),
    _told(
        "-p",
        "--port",
        kind=int,
        metavar="PORT",
        help="The server's port. [default: 15598 zmq, 15597 http, 443 https]",
    ),
    _told("-u", "--username", metavar="USER", help="The user, over HTTP and HTTPS."),
    _told(
        "-w",
        "--password",
        metavar="PASSWORD",
        help="The user's password, which others may see in ps; better --password-file, ~/.netrc"
        " or the prompt of a terminal. [env: QASINO_PASSWORD]",
    ),
    _told("--password-file", metavar="FILE", help="A file with the user's password."),
    _told(
        "--token-file",
        metavar="FILE",
        help="A file with a token, instead of a user; the variable has the token itself."
        " [env: QASINO_TOKEN]",
    ),
    _switch("-z", "--use-zmq", help="Speak ZeroMQ, as by default."),
    _switch("--use-http", help="Speak HTTP."),
    _switch("--use-https", help="Speak HTTPS."),
    _told(
        "--pubsub-port",
        kind=int,
        metavar="PORT",
        help="Where the server publishes its signal. [default: where it says]",
    ),
    _told(
        "--ca-file",
        metavar="FILE",
        help="Whose signature on an HTTPS server's certificate counts, in PEM, instead of the"
        " system's list. [env: QASINO_CA_FILE]",
    ),
    _switch("-k", "--skip-ssl-verify", help="Take any certificate of an HTTPS server."),
    _told(
        "--curve-key",
        metavar="FILE",
        help="Your secret CURVE key, for a ZeroMQ server that asks for keys; qasino keys makes"
        " one. [env: QASINO_CURVE_KEY]",
    ),
    _told(
        "--curve-server-key",
        metavar="FILE",
        help="That server's public key, or a file with it. [env: QASINO_CURVE_SERVER_KEY]",
    ),
)


def duration(*flags: str, help: str, least_s: float | None = None, most_s: float = MOST_S) -> Any:
    """An option whose value is in seconds and is written as `durations` has it; the last of the
    flags names it where it is wrong."""

    def read(value: str | float) -> float:
        if isinstance(value, float):  # the default
            return value
        return read_duration_s(flags[-1], value, least_s, most_s)

    return typer.Option(*flags, metavar="SECONDS", help=help, show_default=False, parser=read)


def identity(help: str, default: str) -> Any:
    """The option that says who reports; `default` is who does where neither it nor the variable
    is set."""
    return typer.Option(
        "-I",
        "--identity",
        metavar="IDENTITY",
        help=f"{help} [env: QASINO_IDENTITY] [default: {default}]",
        show_default=False,
    )


def connected(command: Callable[..., Any], timeout_flag: str = "--timeout") -> Callable[..., Any]:
    """Give a command the options that say which server, in the place of its `connection`, and
    hand it that.

    `timeout_flag` names the option for the time of a request where the command means something
    else by --timeout.
    """
    help = f"Give up a request after so many seconds; 30, 30s, 5m. [default: {DEFAULT_TIMEOUT_S:g}]"
    seconds = Annotated[float, duration(timeout_flag, help=help, most_s=86400.0)]
    options = [*_CONNECTION_OPTIONS, keyword("timeout_s", seconds, DEFAULT_TIMEOUT_S)]
    return folded(command, "connection", lambda **given: connection_of(Given(**given)), options)


def in_utf8(flag: str, text: str) -> str:
    """A text that is to be sent, as it is. Raises UsageFault where the shell gave other bytes."""
    try:
        text.encode()
    except UnicodeEncodeError:
        raise UsageFault(f"{flag}: what stands there is not UTF-8") from None
    return text


def connection_of(given: Given) -> Connection:
    """The server meant by the command line, the environment and the configuration.

    With what it takes to be let in; a password is asked for if need be. Raises UsageFault.
    """
    for secret in given.secrets:
        in_utf8("the password", secret)
        strike_out(secret)
    config = load_config()
    connection = read_connection(given, os.environ, config.servers, config.server)
    in_utf8("the user", connection.username or "")
    unlocked = unlock(connection, os.environ, _ask if _somebody_there() else None)
    in_utf8("the password", unlocked.password or "")
    return unlocked


def _somebody_there() -> bool:
    """Whether a password can be asked for; where stdin is closed, by the terminal alone."""
    return attached() if sys.stdin is None else typed_in()


def _ask(what: str) -> str:
    """A secret from the keyboard, which does not show it. Raises UsageFault where nothing comes."""
    import getpass  # 3 ms, for what few commands ask

    try:
        return getpass.getpass(what)
    except EOFError:
        raise UsageFault("no password was given") from None
