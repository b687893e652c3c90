"""Which server, and how to speak to it: the options of every client -> one frozen value.

Pure: nothing is opened, the environment is handed in. Two ways lead to a server, our one URL
and the ancestor's separate options; where both are given they must agree.

    -s zmq://host:15598   -s http://host:15597   -s https://user@host   -s host[:port]
    -s name               (of a server in config.yaml)
    -H host -p port --use-zmq|--use-http|--use-https

The command line beats the environment: -H and --use-* put QASINO_SERVER aside as a whole,
-p only replaces its port. What is needed to be let in is chosen in `access`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import SplitResult, unquote, urlsplit

import msgspec

from qasino_cli.access import (
    Access,
    check_named,
    check_options,
    of_environment,
    what_counts,
    without_half_a_pair,
)
from qasino_cli.errors import UsageFault
from qasino_server.curve_keys import KeyPair
from qasino_server.table import shown

DEFAULT_PORTS = {"zmq": 15598, "http": 15597, "https": 443}
DEFAULT_PUBSUB_PORT = 15596
DEFAULT_TIMEOUT_S = 35.0  # more than the server's 30 s for a query: its own sentence comes first
CONNECT_TIMEOUT_S = 5.0  # a host that does not answer a TCP connect by then will not
GONE_S = 15.0
"""How long what was sent may stay without a sign that it arrived. A server that does not read for
so long counts as gone too, as Linux sees it."""

_FORMS = "zmq://host:15598, http://host:15597, https://user@host or host"
_PASSWORD_IN_URL = re.compile(r"(?s)^\s*(?:[^:/]*://)?[^:]*:(.+)@")
"""Up to the last @, and whatever is in it: also where that makes it no URL."""
_HOST = re.compile(r"[A-Za-z0-9._\-:%]+")


def gone_s() -> float:
    """How long TCP waits for a host that gives no sign, where the system can be told."""
    return GONE_S


class CurveKeys(msgspec.Struct, frozen=True):
    """What it takes to speak with a ZeroMQ port that asks for keys."""

    own: KeyPair
    server: str
    """The server's public key, as Z85."""


class Connection(msgspec.Struct, frozen=True, kw_only=True):
    """One server and the way to it."""

    scheme: str = "zmq"
    """zmq, http or https."""
    host: str = "localhost"
    port: int = DEFAULT_PORTS["zmq"]
    username: str | None = None
    password: str | None = None
    token: str | None = None
    verify_tls: bool = True
    ca_file: str | None = None
    """The authorities whose certificates count, in PEM; None is the system's."""
    curve: CurveKeys | None = None
    """The keys for ZeroMQ, the signal's too; None where it asks for none."""
    unread: Access = Access()
    """The files that `credentials.unlock` has yet to read."""
    pubsub_port: int | None = None
    """Where the generation signal is published; None is where the server says."""
    timeout_s: float = DEFAULT_TIMEOUT_S
    """The most a whole request may take."""

    @property
    def url(self) -> str:
        """The server as a sentence names it, without user and password."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}"

    @property
    def connect_timeout_s(self) -> float:
        """The most it may take until the server has shown that it is there."""
        return min(self.timeout_s, CONNECT_TIMEOUT_S)


class Given(msgspec.Struct, frozen=True, kw_only=True):
    """The connection options as they stand on the command line; None is not given."""

    server: str | None = None
    hostname: str | None = None
    port: int | None = None
    username: str | None = None
    password: str | None = None
    use_zmq: bool = False
    use_http: bool = False
    use_https: bool = False
    password_file: str | None = None
    token_file: str | None = None
    pubsub_port: int | None = None
    ca_file: str | None = None
    skip_ssl_verify: bool = False
    curve_key: str | None = None
    curve_server_key: str | None = None
    timeout_s: float = DEFAULT_TIMEOUT_S

    @property
    def access(self) -> Access:
        """What the command line says about being let in."""
        return _access_of(self)

    @property
    def secrets(self) -> list[str]:
        """The passwords that stand on the command line, as they stand there."""
        in_url = _PASSWORD_IN_URL.search(self.server or "")
        return [secret for secret in (self.password, in_url and in_url[1]) if secret]


class NamedServer(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A server in config.yaml that is more than a URL."""

    url: str
    password_file: str | None = None
    token_file: str | None = None
    ca_file: str | None = None
    skip_ssl_verify: bool = False
    curve_key: str | None = None
    curve_server_key: str | None = None

    @property
    def access(self) -> Access:
        """What the configuration says about being let in."""
        return _access_of(self)


Servers = Mapping[str, str | NamedServer]


def _access_of(said: Given | NamedServer) -> Access:
    fields = (name for name in Access.__struct_fields__ if hasattr(said, name))
    return Access(**{name: getattr(said, name) for name in fields})


class _Url(msgspec.Struct, frozen=True):
    scheme: str = "zmq"
    host: str = "localhost"
    port: int | None = None
    username: str | None = None
    password: str | None = None
    named: Access = Access()
    """What config.yaml says, in a URL or beside it."""


def read_connection(
    given: Given,
    environ: Mapping[str, str],
    servers: Servers | None = None,
    usual: str | None = None,
) -> Connection:
    """Work out the one server that is meant.

    Reads QASINO_SERVER and what `access` names from `environ`. `servers` are those of the
    configuration by name, `usual` is the one it means where nothing else is said. Raises
    UsageFault where options contradict each other or make no sense.
    """
    url = _chosen_url(given, environ, servers or {}, usual)
    username = _agreed("user", url.username, "-u", given.username)
    check_options(given.access, url.scheme, username)
    places = [given.access, Access(password=url.password), of_environment(environ), url.named]
    access = what_counts(places, username)
    if url.scheme != "zmq":  # but for the signal there is nothing to lock
        access = without_half_a_pair(access, given.access)
    return Connection(
        scheme=url.scheme,
        host=url.host,
        port=_chosen_port(given, url),
        username=username,
        password=access.password,
        token=access.token,
        verify_tls=not access.skip_ssl_verify,
        ca_file=access.ca_file,
        unread=access,
        pubsub_port=_optional_port(given.pubsub_port, "--pubsub-port"),
        timeout_s=given.timeout_s,
    )


def _chosen_url(
    given: Given, environ: Mapping[str, str], servers: Servers, usual: str | None
) -> _Url:
    scheme = _scheme_option(given)
    if given.server is not None:
        url = _named_url(given.server, "-s", servers)
        _agreed("host", url.host, "-H", given.hostname)
        _agreed("protocol", url.scheme, "--use-*", scheme)
        return url
    if given.hostname is None and scheme is None:
        if environ.get("QASINO_SERVER"):
            return _named_url(environ["QASINO_SERVER"], "QASINO_SERVER", servers)
        if usual:
            return _configured(_named_url(usual, "config.yaml: server", servers))
    host = "localhost" if given.hostname is None else _check_host(given.hostname, "-H")
    return _Url(scheme or "zmq", host)


def _scheme_option(given: Given) -> str | None:
    options = {"zmq": given.use_zmq, "http": given.use_http, "https": given.use_https}
    chosen = [scheme for scheme, wanted in options.items() if wanted]
    if len(chosen) > 1:
        names = " and ".join(f"--use-{scheme}" for scheme in chosen)
        raise UsageFault(f"{names} contradict each other; give one of them")
    return chosen[0] if chosen else None


def _agreed(what: str, first: str | None, option: str, second: str | None) -> str | None:
    """The one that was given, or the one both say."""
    if first is not None and second is not None and first != second:
        raise UsageFault(
            f"the {what} is {shown(first)} in the URL and {shown(second)} in {option}; give it once"
        )
    return second if first is None else first


def _chosen_port(given: Given, url: _Url) -> int:
    if given.server is not None and url.port and given.port and given.port != url.port:
        raise UsageFault(f"the port is {url.port} in -s and {given.port} in -p; give it once")
    if given.port is not None:
        return _check_port(given.port, "-p")
    return url.port or DEFAULT_PORTS[url.scheme]


def _named_url(text: str, source: str, servers: Servers) -> _Url:
    """A URL, or the name of a configured server, which counts before a host of that name."""
    if text not in servers:
        return _read_url(text, source)
    found, source = servers[text], f"config.yaml: servers.{text}"
    if isinstance(found, str):
        return _configured(_read_url(found, source))
    url = _read_url(found.url, source)
    check_named(found.access, text, url.username)
    return _configured(msgspec.structs.replace(url, named=found.access))


def _configured(url: _Url) -> _Url:
    """A URL of config.yaml: the environment's password counts before the one in it."""
    if url.password is None:
        return url
    named = msgspec.structs.replace(url.named, password=url.password)
    return msgspec.structs.replace(url, password=None, named=named)


def _without_password(text: str) -> str:
    """A URL, or what was meant as one, as a sentence may repeat it."""
    found = _PASSWORD_IN_URL.match(text)
    return text if found is None else f"{text[: found.start(1)]}***{text[found.end(1) :]}"


def _read_url(text: str, source: str) -> _Url:
    text = text.strip()
    parts = _split(text, source)
    if parts.scheme not in DEFAULT_PORTS:
        raise UsageFault(f"{source}: {shown(parts.scheme)} is no protocol of ours; give {_FORMS}")
    if parts.path.strip("/") or parts.query or parts.fragment:
        raise UsageFault(
            f"{source}: {shown(_without_password(text))} names more than a server; give {_FORMS}"
        )
    return _Url(
        parts.scheme,
        _check_host(parts.hostname or "", source),
        _url_port(parts, text, source),
        unquote(parts.username) if parts.username else None,
        unquote(parts.password) if parts.password else None,
    )


def _split(text: str, source: str) -> SplitResult:
    """A bare host or host:port means ZeroMQ; a bare IPv6 address needs no brackets."""
    if "://" not in text:
        text = f"zmq://[{text}]" if text.count(":") > 1 and "[" not in text else f"zmq://{text}"
    try:
        return urlsplit(text)
    except ValueError as error:
        told = _without_password(text)
        reason = f" ({error})" if told == text else ""  # it may name a part of the password
        raise UsageFault(f"{source}: {shown(told)} is not a URL{reason}; give {_FORMS}") from None


def _url_port(parts: SplitResult, text: str, source: str) -> int | None:
    try:
        port = parts.port
    except ValueError:
        shown_text = shown(_without_password(text))
        raise UsageFault(f"{source}: the port of {shown_text} is not 1 to 65535") from None
    return None if port is None else _check_port(port, source)


def _check_host(host: str, source: str) -> str:
    if not _HOST.fullmatch(host):
        raise UsageFault(f"{source}: {shown(host)} is not the name of a host; give {_FORMS}")
    return host


def _check_port(port: int, source: str) -> int:
    if not 1 <= port <= 65535:
        raise UsageFault(f"{source}: {port} is not a port, ports are 1 to 65535")
    return port


def _optional_port(port: int | None, source: str) -> int | None:
    return None if port is None else _check_port(port, source)
