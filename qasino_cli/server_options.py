"""Every option of `qasino server`: its name, its unit, its default, and how its text is read.

One table serves the command line, the environment (QASINO_SERVER_*), the configuration file
and the help, so none of them can differ. Pure, but for reading the configuration file.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from qasino_cli.durations import duration_s
from qasino_cli.errors import UsageFault
from qasino_cli.log_lines import LEVELS
from qasino_cli.places import expanded, text_of
from qasino_server.errors import BadRequest
from qasino_server.publication_rules import flag
from qasino_server.settings import Settings
from qasino_server.table import check_identity, shown
from qasino_server.yaml_text import read_yaml

_BYTES = re.compile(r"(\d{1,18})\s*([kmg]?)(?:i?b)?", re.IGNORECASE)
_PREFIX = "QASINO_SERVER_"
_OF_A_SERVICE = re.compile(
    r"SERVICE_HOST=|SERVICE_PORT(_\w+)?=|PORT(_\d+_[A-Z]+)?=\w+://|PORT_\d+_[A-Z]+_(PROTO|PORT|ADDR)="
)
"""What follows the prefix in variables that Kubernetes sets for a service called qasino-server.

https://kubernetes.io/docs/concepts/services-networking/service/#environment-variables
"""
_COUNT_MAX = 1 << 40
_SIZE_END = 1 << 40
_SHIFTS = {"": 0, "k": 10, "m": 20, "g": 30}


class Option(msgspec.Struct, frozen=True):
    """One option."""

    name: str
    """Its long name without dashes in front: http-port."""
    metavar: str
    read: Callable[[str], Any]
    """Its text as a value; raises ValueError with what it should have been."""
    help: str
    short: str | None = None
    sets: str | None = None
    """The field of Settings, or log_level; None is the one of its name."""

    @property
    def field(self) -> str:
        """What it sets."""
        return self.sets or self.parameter

    @property
    def flag(self) -> bool:
        """Whether it stands alone on the command line; elsewhere it is yes or no."""
        return self.read is _yes_or_no

    @property
    def flags(self) -> list[str]:
        """How it is written on the command line."""
        return [*([self.short] if self.short else []), f"--{self.name}"]

    @property
    def parameter(self) -> str:
        """Its name as a Python parameter."""
        return self.name.replace("-", "_")

    @property
    def variable(self) -> str:
        """Its environment variable."""
        return f"{_PREFIX}{self.parameter.upper()}"


def _port(text: str) -> int | None:
    if text.lower() == "off":
        return None
    return _number(text, 0, 65535, "a port: 0 to 65535 (0 takes a free one), or off")


def _number(text: str, least: int, most: int, wanted: str) -> int:
    if not re.fullmatch(r"\d{1,18}", text, re.ASCII) or not least <= int(text) <= most:
        raise ValueError(wanted)
    return int(text)


def _whole_seconds(text: str) -> int:
    try:
        seconds = duration_s(text, 1, 86400)
    except ValueError:
        seconds = math.nan
    if not seconds.is_integer():
        raise ValueError("a whole number of seconds, 1 to 86400")
    return int(seconds)


def _count(text: str) -> int:
    return _number(text, 1, _COUNT_MAX, f"a whole number, 1 to {_COUNT_MAX}")


def _bytes(text: str) -> int:
    found = _BYTES.fullmatch(text)
    size = 0 if found is None else int(found[1]) << _SHIFTS[found[2].lower()]
    if not 0 < size < _SIZE_END:
        most = f" and below {_SIZE_END >> 30}G" if size else ""
        raise ValueError(f"a number of bytes above 0{most}, such as 1000000, 512K, 64M or 1G")
    return size


def _path(text: str) -> Path:
    if not text:
        raise ValueError("the name of a file or directory")
    try:
        return expanded(text)
    except UsageFault as error:
        raise ValueError(f"the name of a file or directory ({error.sentence})") from None


def _identity(text: str) -> str:
    try:
        return check_identity(text)
    except BadRequest as error:
        raise ValueError(f"1 to 256 printable characters ({error.sentence})") from None


def _address(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9._:%-]+", text):
        raise ValueError("an address of this host, such as 127.0.0.1 or 0.0.0.0")
    return text


def _yes_or_no(text: str) -> bool:
    try:
        return flag(text, "it")
    except BadRequest:
        raise ValueError("yes or no") from None


def _names(text: str) -> frozenset[str]:
    names = text.lower().split(",")
    if not all(re.fullmatch(r"[a-z0-9._-]+", name) for name in names):
        raise ValueError("names of hosts, separated by commas")
    return frozenset(names)


def _level(text: str) -> str:
    if text.lower() not in LEVELS:
        raise ValueError(f"one of {', '.join(LEVELS)}")
    return text.lower()


OPTIONS = (
    Option(
        "listen",
        "ADDRESS",
        _address,
        "The address to listen on; 0.0.0.0 opens the server to other hosts. [default: 127.0.0.1]",
    ),
    Option(
        "http-port", "PORT", _port, "HTTP; 0 takes a free port, off opens none. [default: 15597]"
    ),
    Option(
        "https-port",
        "PORT",
        _port,
        "HTTPS, likewise; opened where there is a certificate. [default: 443]",
    ),
    Option("zmq-port", "PORT", _port, "ZeroMQ requests, likewise. [default: 15598]"),
    Option(
        "pubsub-port",
        "PORT",
        _port,
        "The signal of each new generation, likewise. [default: 15596]",
    ),
    Option("line-port", "PORT", _port, "SQL by the line, likewise. [default: 15000]"),
    Option(
        "generation-duration",
        "SECONDS",
        _whole_seconds,
        "How long tables are collected before they can be asked, whole seconds; 30, 30s, 5m."
        " [default: 30; with --demo 5]",
        short="-g",
        sets="generation_duration_s",
    ),
    Option("identity", "IDENTITY", _identity, "The server's own name. [default: the host's name]"),
    Option(
        "db-dir",
        "DIR",
        _path,
        "Where generations live. [default: in /dev/shm where 1 GB is free, else the temporary"
        " directory]",
    ),
    Option(
        "static-db",
        "FILE",
        _path,
        "The file of static tables. [default: ~/.local/state/qasino/static.db]",
    ),
    Option(
        "archive-dir",
        "DIR",
        _path,
        "Keep each finished generation here as an SQLite file. [default: none is kept]",
    ),
    Option(
        "archive-keep",
        "N",
        _count,
        "How many files to keep there; fewer where that is the disk of --db-dir and is short."
        " [default: 120]",
    ),
    Option(
        "no-prev",
        "yes|no",
        _yes_or_no,
        "Keep two generations instead of three: queries then have no schema prev, the snapshot"
        " before the last. (A large prev is compressed until a query asks for it.) [default: no]",
    ),
    Option(
        "views-file",
        "FILE",
        _path,
        "Views, in YAML; read again when it changes. [default: views.conf]",
    ),
    Option(
        "query-timeout",
        "SECONDS",
        duration_s,
        "The most a query may take, its wait and the reading of a streamed answer"
        " included; 30, 30s, 5m. [default: 30]",
        sets="query_timeout_s",
    ),
    Option(
        "slow-query",
        "SECONDS",
        duration_s,
        "Log queries that take longer, likewise. [default: 1]",
        sets="slow_query_s",
    ),
    Option("max-rows", "N", _count, "The most rows in an answer. [default: 100000]"),
    Option(
        "max-result",
        "BYTES",
        _bytes,
        "The largest answer; K, M and G are understood. [default: 64M]",
        sets="max_result_bytes",
    ),
    Option(
        "max-body",
        "BYTES",
        _bytes,
        "The largest request, likewise. [default: 64M]",
        sets="max_body_bytes",
    ),
    Option(
        "max-generation-bytes",
        "BYTES",
        _bytes,
        "The most a generation may take in --db-dir, and all static tables in their file; past it"
        " publications are refused. [default: a quarter of what is free there at the start, at"
        " least 16M, or a third where that is less]",
    ),
    Option("max-generation-rows", "N", _count, "Likewise, in rows. [default: 100000000]"),
    Option("max-tables", "N", _count, "Likewise, in tables. [default: 20000]"),
    Option("max-identities", "N", _count, "Likewise, in identities. [default: 200000]"),
    Option(
        "max-sources",
        "N",
        _count,
        "Likewise, in pairs of a table and an identity. [default: 1000000]",
    ),
    Option(
        "max-memory",
        "BYTES",
        _bytes,
        "The most memory SQLite may take for all that runs. [default: half of what there is]",
        sets="max_memory_bytes",
    ),
    Option(
        "max-temp",
        "BYTES",
        _bytes,
        "The most a query may write to temporary files. [default: 1G]",
        sets="max_temp_bytes",
    ),
    Option(
        "ports-file",
        "FILE",
        _path,
        "Write the ports as JSON into FILE once all are open. [default: none]",
    ),
    Option(
        "tls-cert",
        "FILE",
        _path,
        "The certificate of the HTTPS port and its chain, in PEM. [default: none]",
    ),
    Option("tls-key", "FILE", _path, "Its key, in PEM. [default: none]"),
    Option(
        "keys-dir",
        "DIR",
        _path,
        "A directory with server.crt and server.key, instead of the two. [default: none]",
    ),
    Option(
        "htpasswd-file",
        "FILE",
        _path,
        "Users of the HTTPS port, as htpasswd -B writes them; read again when it changes."
        " [default: none]",
    ),
    Option(
        "users-file",
        "FILE",
        _path,
        "Users with roles, in YAML; every port asks for them. Read again when it changes."
        " [default: none]",
    ),
    Option(
        "curve-keys",
        "DIR",
        _path,
        "Have the ZeroMQ ports ask for CURVE keys: DIR has server.key_secret and, for each client,"
        " clients/NAME.key; qasino keys makes them. [default: none]",
    ),
    Option(
        "require-auth",
        "yes|no",
        _yes_or_no,
        "Ask for users on plain HTTP too, and close the ports that cannot ask: the line port, and"
        " ZeroMQ without --curve-keys. [default: no; yes with --users-file]",
    ),
    Option(
        "allow-host",
        "NAME,..",
        _names,
        "Names a browser may use over plain HTTP for a loopback address beside localhost and this"
        " host's own, such as that of a proxy on this host. [default: none]",
        sets="allowed_hosts",
    ),
    Option(
        "forget-after",
        "SECONDS",
        duration_s,
        "How long a table nobody reports any more is listed as missing; 90, 90s, 5m, 12h."
        " [default: 86400]",
        sets="forget_after_s",
    ),
    Option("log-level", "LEVEL", _level, f"How much to log: {', '.join(LEVELS)}. [default: info]"),
)
_BY_NAME = {option.name: option for option in OPTIONS}
_TYPED_ALONE = ("config", "demo")
"""The options of the command that are neither variables nor keys of the file."""


class Configuration(msgspec.Struct, frozen=True):
    """What a server is to be, and how much it is to say."""

    settings: Settings
    log_level: str = "info"
    duration_given: bool = False
    """Somebody named the generation's length."""


def read_configuration(
    given: Mapping[str, str | bool | None],
    environ: Mapping[str, str],
    file: Mapping[str, str],
    file_name: str = "configuration file",
) -> Configuration:
    """Command line before environment before file before default.

    `given` has parameter names (http_port), `file` option names (http-port). An empty
    environment variable counts as none. Raises UsageFault, which names the source.
    """
    values: dict[str, Any] = {}
    for option in OPTIONS:
        source, text = _first(option, given, environ, file, file_name)
        if text is not None:
            values[option.field] = _read(option, source, text)
    log_level = values.pop("log_level", "info")
    return Configuration(Settings(**values), log_level, "generation_duration_s" in values)


def unknown_variables(environ: Mapping[str, str]) -> list[str]:
    """A sentence on each environment variable that begins as a server's and is none of them."""
    known = [option.variable for option in OPTIONS]
    unknown = {
        name
        for name, value in environ.items()
        if name.startswith(_PREFIX)
        and not _OF_A_SERVICE.match(f"{name.removeprefix(_PREFIX)}={value}")
    } - set(known)
    return [_idle(name, known) for name in sorted(unknown)]


def _idle(name: str, known: list[str]) -> str:
    option = name.removeprefix(_PREFIX).lower()
    if option in _TYPED_ALONE:
        return f"{name} sets nothing: --{option} is for the command line alone"
    return f"{name} is no option and sets nothing{_meant(name, known)}"


def _meant(name: str, known: list[str]) -> str:
    from difflib import get_close_matches  # for what hardly any environment holds

    ends = [variable.removeprefix(_PREFIX) for variable in known]
    close = get_close_matches(name.removeprefix(_PREFIX), ends, n=1, cutoff=0.8)
    return f"; is {_PREFIX}{close[0]} meant?" if close else ""


def _first(
    option: Option,
    given: Mapping[str, str | bool | None],
    environ: Mapping[str, str],
    file: Mapping[str, str],
    file_name: str,
) -> tuple[str, str | None]:
    told = given.get(option.parameter)
    if told is not None:
        return f"--{option.name}", told if isinstance(told, str) else "yes"
    if environ.get(option.variable):
        return option.variable, environ[option.variable]
    return f"{file_name}: {option.name}", file.get(option.name)


def _read(option: Option, source: str, text: str) -> Any:
    try:
        return option.read(text.strip())
    except ValueError as error:
        raise UsageFault(f"{source}: {shown(text)} is not {error}") from None


def read_file(path: Path) -> dict[str, str]:
    """A YAML file of options, by option name, as the text each would have on a command line.

    Raises UsageFault with the file, and the line or the key.
    """
    try:
        content = read_yaml(text_of(path), as_written=True)
    except UsageFault as error:
        raise UsageFault(f"--config: {error.sentence}") from None
    except BadRequest as error:
        raise UsageFault(f"--config: {path}: {error.sentence}") from None
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise UsageFault(f"--config: {path}: must be a mapping, such as http-port: 15597")
    options: dict[str, str] = {}
    for key, value in content.items():
        name = _option_name(path, key)
        if name in options:
            raise UsageFault(f"--config: {path}: {name} is there twice, as {shown(key)} too")
        options[name] = _text(path, name, value)
    return options


def _option_name(path: Path, key: object) -> str:
    name = str(key).replace("_", "-")
    if name in _TYPED_ALONE:
        raise UsageFault(f"--config: {path}: {name} is for the command line alone")
    if name not in _BY_NAME:
        raise UsageFault(
            f"--config: {path}: {shown(key)} is not an option; the options are"
            f" {', '.join(_BY_NAME)}"
        )
    return name


def _text(path: Path, name: str, value: object) -> str:
    """YAML 1.1 reads a bare `off` or `no` as false."""
    option = _BY_NAME[name]
    if isinstance(value, bool):
        if option.flag or (option.read is _port and not value):
            return "yes" if value else "off"
        raise UsageFault(
            f"--config: {path}: {name} takes one value, not {'true' if value else 'false'}; in YAML"
            " a bare yes, no, on or off is that, in quotes it is a word"
        )
    if isinstance(value, str):
        return value
    found = "none" if value is None else "more"
    raise UsageFault(f"--config: {path}: {name} takes one value, and has {found}")
