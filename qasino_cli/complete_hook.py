"""`qasino __complete tables|servers [PREFIX [LINE]]`: names for a shell's TAB, quickly or not at
all. LINE is what is being typed: the server it names is asked for its tables, else the usual one.

Names of tables come from a file for each server; one that is older than FRESH_S is made anew if
the server answers within ASK_S. Those of servers are config.yaml's. Whatever goes wrong, what is
known is printed, silently, and the exit code is 0: a shell that completes is no place for errors.
Only legal names are printed, so nothing a publisher thinks of means anything to a shell.
"""

from __future__ import annotations

import hashlib
import os
import re
import shlex
import time
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import Any

FRESH_S = 30.0
ASK_S = 0.3
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}")
_SERVER_NAME = re.compile(r"[A-Za-z0-9_.-]+")
_OPTIONS = {"-s": "server", "--server": "server", "-H": "hostname", "--hostname": "hostname"}
_OPTIONS |= {"-p": "port", "--port": "port"}
_FLAGS = {"-z": "use_zmq", **{f"--use-{way}": f"use_{way}" for way in ("zmq", "http", "https")}}
Told = dict[str, Any]
"""The options of `connection.Given` that a line has."""
_TABLES = "select tablename from qasino_server_tables where not tablename glob 'qasino_server_*'"
_ALL = "select tablename from qasino_server_tables union select viewname from qasino_server_views"


def main(arguments: list[str]) -> None:
    """Print the names that begin with the prefix, if there is one."""
    kind = arguments[0] if arguments else ""
    prefix = arguments[1] if len(arguments) > 1 else ""
    line = " ".join(arguments[2:])
    try:
        names = _servers() if kind == "servers" else _tables(line) if kind == "tables" else []
    except Exception:  # the seam of this room: nothing may reach a shell that completes
        names = []
    _print("".join(f"{name}\n" for name in names if name.startswith(prefix)))


def _print(text: str) -> None:
    """Print it, where somebody takes it."""
    try:
        print(text, end="", flush=True)
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # Python flushes once more at its end


def _servers() -> list[str]:
    """The names of servers in config.yaml."""
    from qasino_cli.config import load_config

    return [name for name in load_config().servers if _SERVER_NAME.fullmatch(name)]


def _tables(line: str) -> list[str]:
    """The names of tables that a line can mean."""
    return _names(_told(line), _TABLES if _publishes(line) else _ALL)


def _publishes(line: str) -> bool:
    """Whether the names are to be of tables that somebody publishes, or drops: no views, and not
    the server's own."""
    return bool(re.match(r"\s*\S*qasino\s+(publish|csvagent)\b", line))


def _told(line: str) -> Told:
    """What a line says about the server."""
    try:
        words = shlex.split(line)
    except ValueError:  # a quote is still open
        words = line.split()
    told: Told = {}
    for word, after in pairwise([*words, ""]):
        name, equals, value = word.partition("=")
        if name in _OPTIONS:
            told[_OPTIONS[name]] = value if equals else after
        elif name in _FLAGS:
            told[_FLAGS[name]] = True
    return told


def _names(told: Told, sql: str) -> list[str]:
    from qasino_cli.places import cache_directory

    server = [os.environ.get("QASINO_SERVER", ""), *map(str, sorted(told.items()))]
    named = "\0".join([*server, sql])
    key = hashlib.sha256(named.encode()).hexdigest()[:16]
    file = cache_directory() / f"tables-{key}"
    names = None if _is_fresh(file) else _renewed(file, told, sql)
    return [name for name in names or _read(file) if _NAME.fullmatch(name)]


def _is_fresh(file: Path) -> bool:
    """Whether it was made a moment ago, and config.yaml, which says what `-s NAME` means and which
    server nobody names, has not been written since. Nothing was made later than now: the clock was
    ahead then."""
    made = _written(file)
    if made is None or not 0 <= time.time() - made <= FRESH_S:
        return False
    return made > (_configured() or 0.0)


def _configured() -> float | None:
    from qasino_cli.places import Homeless, config_file

    try:
        return _written(config_file())
    except Homeless:
        return None


def _written(file: Path) -> float | None:
    """When, by the clock; None where there is none."""
    try:
        return file.stat().st_mtime
    except OSError:
        return None


def _read(file: Path) -> list[str]:
    try:
        return file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return []


def _renewed(file: Path, told: Told, sql: str) -> list[str] | None:
    """The names as the server has them, kept in the file if possible; None where it has none."""
    try:
        names = _asked(told, sql)
    except Exception:  # a configuration that is broken, or a line: what is known is known
        return None
    if names is not None:
        with suppress(OSError):  # a place nobody can write to: they are good for this once
            _keep(file, names)
    return names


def _keep(file: Path, names: list[str]) -> None:
    from qasino_cli.places import private_directory
    from qasino_cli.whole_file import write_whole

    private_directory(file.parent)
    write_whole(str(file), "".join(f"{name}\n" for name in names), mode=0o600)


def _asked(told: Told, sql: str) -> list[str] | None:
    """The names as the server has them; None where it does not answer in time."""
    from qasino_cli.client import open_client
    from qasino_cli.config import load_config
    from qasino_cli.connection import Given, read_connection
    from qasino_cli.credentials import unlock
    from qasino_server.errors import QasinoError
    from qasino_server.message import Query

    config = load_config()
    port = {"port": int(told["port"])} if "port" in told else {}
    given = Given(**(told | port), timeout_s=ASK_S)
    client = None
    try:
        connection = read_connection(given, os.environ, config.servers, config.server)
        client = open_client(unlock(connection, os.environ, None))
        rows = client.query(Query(sql=sql, typed=True)).rows
    except QasinoError:
        return None
    finally:
        if client is not None:
            client.close()
    return sorted(str(row[0]) for row in rows)
