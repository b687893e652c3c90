"""The secrets of a connection, read where they are kept: files, ~/.netrc, the keyboard.

What is said on the command line or in the environment comes first, then the files that they or
config.yaml name, then ~/.netrc (NETRC names another), then the person at the terminal. A
secret is never repeated in a sentence.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from netrc import NetrcParseError, netrc

import msgspec

from qasino_cli.access import Access
from qasino_cli.connection import Connection, CurveKeys
from qasino_cli.errors import UsageFault
from qasino_cli.places import expanded, is_out_of_sight, text_of
from qasino_server.curve_keys import is_key, read_pair, read_public_key
from qasino_server.errors import BadRequest
from qasino_server.passwords import can_be_token


def unlock(
    connection: Connection, environ: Mapping[str, str], ask: Callable[[str], str] | None
) -> Connection:
    """The connection with everything it needs to be let in, as far as that is known.

    `ask` gets a password from a person, given what to show; None where nobody is there. Raises
    UsageFault for a file that cannot be used, and where a user has no password.
    """
    unread = connection.unread
    found: dict[str, object] = {"unread": Access(), "curve": _curve_keys(unread)}
    if connection.scheme != "zmq":
        found |= _who(connection, environ, ask)
    if connection.scheme == "https" and connection.ca_file is not None:
        found["ca_file"] = _authority(connection.ca_file)
    return msgspec.structs.replace(connection, **found)


def _curve_keys(unread: Access) -> CurveKeys | None:
    if unread.curve_key is None and unread.curve_server_key is None:
        return None
    if unread.curve_key is None or unread.curve_server_key is None:
        raise UsageFault("--curve-key and --curve-server-key go together: CURVE needs both")
    try:
        return CurveKeys(
            read_pair(expanded(unread.curve_key)), _server_key(unread.curve_server_key)
        )
    except BadRequest as error:
        raise UsageFault(error.sentence) from None


def _server_key(text: str) -> str:
    path = expanded(text)
    return text if is_key(text) and not path.exists() else read_public_key(path)


def _authority(name: str) -> str:
    """The path of a file of certificates that can be used."""
    import ssl

    path = str(expanded(name))
    try:
        ssl.create_default_context(cafile=path)
    except ssl.SSLError:
        raise UsageFault(f"{path}: there is no certificate in PEM in it") from None
    except OSError as error:
        raise UsageFault(f"{path}: {error.strerror}") from None
    return path


def _who(
    connection: Connection, environ: Mapping[str, str], ask: Callable[[str], str] | None
) -> dict[str, object]:
    """The user and the password, or the token."""
    unread = connection.unread
    if connection.username is not None:
        return {"password": _password(connection, environ, ask)}
    if connection.token is not None or unread.token_file is not None:
        return {"token": _token(connection.token or _secret_in(unread.token_file or ""))}
    if connection.scheme == "https":  # in the clear nobody is named who was not asked for
        login, password = _in_netrc(connection.host, None, environ) or (None, None)
        return {"username": login, "password": password}
    return {}


def _token(text: str) -> str:
    if not can_be_token(text):
        raise UsageFault("the token has characters that no token has; it goes into a header")
    return text


def _password(
    connection: Connection, environ: Mapping[str, str], ask: Callable[[str], str] | None
) -> str:
    user, unread = connection.username, connection.unread
    if connection.password is not None:
        return connection.password
    if unread.password_file is not None:
        return _secret_in(unread.password_file)
    kept = _in_netrc(connection.host, user, environ)
    if kept is not None:
        return kept[1]
    if ask is None:
        raise UsageFault(
            f"user {user} needs a password; give --password-file or QASINO_PASSWORD, or keep it in"
            " ~/.netrc"
        )
    return ask(f"Password of {user}: ")


def _secret_in(name: str) -> str:
    """The one line of a file. Raises UsageFault, which does not repeat it."""
    path = expanded(name)
    lines = text_of(path).splitlines()
    if len(lines) != 1 or not lines[0]:
        raise UsageFault(f"{path}: a file of a password or a token has one line")
    return lines[0]


def _in_netrc(host: str, user: str | None, environ: Mapping[str, str]) -> tuple[str, str] | None:
    """The user and the password kept for a host, of several the first; for that user, where one
    is named.

    As the standard library has it, ~/.netrc must be nobody else's to read; NETRC names any file.
    """
    named = environ.get("NETRC")
    try:
        entries = _Netrc(named or None).entries
    except FileNotFoundError:
        return None
    except (OSError, NetrcParseError, UnicodeDecodeError) as error:
        if not named and is_out_of_sight(expanded("~/.netrc")):
            return None
        raise UsageFault(f"{named or '~/.netrc'}: cannot be used: {_reason(error)}") from None
    for machine in (host, "default"):
        for login, _, password in entries.get(machine, ()):
            if password and (login == user if user is not None else login and machine == host):
                return login, password
    return None


_Entry = tuple[str, str, str]
"""Login, account, password."""


class _Netrc(netrc):
    """All entries of a machine, in their order; the library's own `hosts` keep the last one."""

    entries: dict[str, list[_Entry]]

    @property
    def hosts(self) -> dict[str, _Entry]:
        return self._hosts

    @hosts.setter
    def hosts(self, _: dict[str, _Entry]) -> None:
        self.entries = {}
        self._hosts = _Hosts(self.entries)


class _Hosts(dict[str, _Entry]):
    """What `netrc` fills while it reads: an entry that replaces another is kept beside it."""

    def __init__(self, entries: dict[str, list[_Entry]]) -> None:
        self._entries = entries

    def __setitem__(self, machine: str, entry: _Entry) -> None:
        super().__setitem__(machine, entry)
        if entry:  # it begins each with an empty one
            self._entries.setdefault(machine, []).append(entry)


def _reason(error: OSError | UnicodeDecodeError | NetrcParseError) -> str:
    """What is wrong, without the words at fault, one of which may be a password."""
    if isinstance(error, OSError):
        return error.strerror or "it cannot be read"
    if isinstance(error, UnicodeDecodeError):
        return "not UTF-8"
    return error.msg if error.lineno is None else f"line {error.lineno} is not understood"
