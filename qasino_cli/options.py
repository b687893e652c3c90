"""The options that every client command has, as typer reads them, and the value they make.

Help states the unit and the default. Environment variables are read in `connection`, where
they can be told from the command line.
"""

from __future__ import annotations

import getpass
import os
from typing import Annotated

import typer

from qasino_cli.connection import (
    DEFAULT_PUBSUB_PORT,
    DEFAULT_TIMEOUT_S,
    Connection,
    Given,
    read_connection,
)
from qasino_cli.console import typed_in
from qasino_cli.errors import UsageFault

Server = Annotated[
    str | None,
    typer.Option(
        "-s",
        "--server",
        metavar="URL",
        help="zmq://host:15598, http://host:15597 or https://user@host; a bare host means zmq."
        " [env: QASINO_SERVER] [default: zmq://localhost:15598]",
        show_default=False,
    ),
]
Hostname = Annotated[
    str | None,
    typer.Option("-H", "--hostname", metavar="HOST", help="The server's host, instead of -s."),
]
Port = Annotated[
    int | None,
    typer.Option(
        "-p",
        "--port",
        metavar="PORT",
        help="The server's port. [default: 15598 zmq, 15597 http, 443 https]",
    ),
]
Username = Annotated[
    str | None,
    typer.Option("-u", "--username", metavar="USER", help="The user, over HTTP and HTTPS."),
]
Password = Annotated[
    str | None,
    typer.Option(
        "-w",
        "--password",
        metavar="PASSWORD",
        help="The user's password; asked for on a terminal if missing. [env: QASINO_PASSWORD]",
    ),
]
UseZmq = Annotated[bool, typer.Option("-z", "--use-zmq", help="Speak ZeroMQ, as by default.")]
UseHttp = Annotated[bool, typer.Option("--use-http", help="Speak HTTP.")]
UseHttps = Annotated[bool, typer.Option("--use-https", help="Speak HTTPS.")]
PubsubPort = Annotated[
    int,
    typer.Option(
        "--pubsub-port",
        metavar="PORT",
        help=f"Where the server publishes its signal. [default: {DEFAULT_PUBSUB_PORT}]",
        show_default=False,
    ),
]
SkipSslVerify = Annotated[
    bool,
    typer.Option("-k", "--skip-ssl-verify", help="Take any certificate of an HTTPS server."),
]
Timeout = Annotated[
    float,
    typer.Option(
        "--timeout",
        metavar="SECONDS",
        help=f"Give up a request after so many seconds. [default: {DEFAULT_TIMEOUT_S:g}]",
        show_default=False,
    ),
]
Identity = Annotated[
    str | None,
    typer.Option(
        "-I",
        "--identity",
        metavar="IDENTITY",
        help="Who reports. [env: QASINO_IDENTITY] [default: the input's, else the host's name]",
        show_default=False,
    ),
]


def connection_of(given: Given) -> Connection:
    """The server meant by the command line and the environment, its password asked for if need be.

    Raises UsageFault.
    """
    connection = read_connection(given, os.environ)
    if connection.username is None or connection.password is not None:
        return connection
    if typed_in():
        return _with_password(connection, getpass.getpass(f"Password of {connection.username}: "))
    raise UsageFault(f"user {connection.username} needs a password; give -w or QASINO_PASSWORD")


def _with_password(connection: Connection, password: str) -> Connection:
    import msgspec

    return msgspec.structs.replace(connection, password=password)
