"""Who the users are: an htpasswd file, a users file, a directory of CURVE keys, or several.

The files are read again when they change, all of it when somebody says so. The htpasswd file has
a line `name:hash` for each user, the directory a NAME.key for each. The users file is YAML:

    users:
      ops:
        roles: [read, admin]            # the password is the htpasswd file's
      web-agents:
        tokens: ["sha256:9f86d0.."]     # or the token itself
        roles: [publish]
        identities: ["web-*"]

A user has a password (a hash, here or in the htpasswd file), tokens for
`Authorization: Bearer`, public CURVE keys for ZeroMQ (`curve_keys`), or several of them. Without
a users file everybody who is known may do everything, as with the ancestor; beside one those it
does not name may `read`, `publish` and publish `static` tables.
"""

from __future__ import annotations

import hashlib
import logging
import re
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec

from qasino_server.curve_keys import is_key, read_public_key
from qasino_server.errors import BadRequest, StartError
from qasino_server.passwords import can_be_token, check_hash
from qasino_server.rights import ROLES, Rights
from qasino_server.stamp import Stamp, stamp_of
from qasino_server.table import shown
from qasino_server.yaml_text import read_yaml

log = logging.getLogger("qasino.users")

_NAME = re.compile(r"[^\s:\x00-\x1f\x7f]{1,256}")
_DIGEST = re.compile(r"sha256:([0-9a-f]{64})")
_UNNAMED_ROLES = frozenset(ROLES) - {"admin"}


class Roll(msgspec.Struct, frozen=True):
    """All users at one time."""

    hashes: dict[str, str] = {}
    """User -> password hash."""
    rights: dict[str, Rights] = {}
    """User -> what they may do; every user is in it."""
    tokens: dict[bytes, str] = {}
    """SHA-256 of a token -> user."""
    curve_keys: dict[str, str] = {}
    """Public key, as Z85 text -> user."""


class _Entry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    roles: tuple[str, ...]
    password: str | None = None
    tokens: tuple[str, ...] = ()
    curve_keys: tuple[str, ...] = ()
    identities: tuple[str, ...] = ("*",)


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    users: dict[str, Any]
    """Name -> what an `_Entry` has, read one by one so that a slip is told with its name."""


class Users:
    """The users in force."""

    def __init__(
        self,
        htpasswd_file: Path | None,
        users_file: Path | None,
        client_keys: Path | None = None,
    ) -> None:
        """Read the files. Raises StartError where one cannot be used."""
        self._htpasswd_file = htpasswd_file
        self._users_file = users_file
        self._client_keys = client_keys
        self._lock = threading.Lock()
        self._stamps = self._look()
        try:
            self._roll = self._read()
        except BadRequest as error:
            raise StartError(error.sentence) from None

    def current(self) -> Roll:
        """The users as the files have them now.

        A file that cannot be read, or not to its end, leaves those in force who were, and the
        log says so. One that was cut between two lines cannot be told from one that was meant
        so: whoever writes it beside and renames it is never read by halves.
        """
        stamps = self._look()
        if stamps != self._stamps:
            with self._lock:
                if stamps != self._stamps:
                    self._stamps = stamps
                    self._reload()
        return self._roll

    def reload(self) -> None:
        """Read everything again, the directory of keys too, which is not looked at otherwise."""
        with self._lock:
            self._stamps = self._look()
            self._reload()

    def _look(self) -> list[Stamp | None]:
        return [stamp_of(path) for path in (self._htpasswd_file, self._users_file) if path]

    def _reload(self) -> None:
        try:
            self._roll = self._read()
            log.info("users loaded users=%d", len(self._roll.rights))
        except BadRequest as error:
            log.warning("the users stay as they were: %s", error.sentence)

    def _read(self) -> Roll:
        hashes: dict[str, str] = {}
        if self._htpasswd_file is not None:
            hashes = read_htpasswd(_text(self._htpasswd_file), self._htpasswd_file)
        keys = {} if self._client_keys is None else read_client_keys(self._client_keys)
        known = {*hashes, *keys.values()}
        if self._users_file is None:
            return Roll(hashes, {name: Rights(name=name) for name in known}, {}, keys)
        unnamed = {name: Rights(name=name, roles=_UNNAMED_ROLES) for name in known}
        return read_users(
            _text(self._users_file), self._users_file, Roll(hashes, unnamed, {}, keys)
        )


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise BadRequest(f"{path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise BadRequest(f"{path}: not UTF-8") from None


def read_htpasswd(text: str, path: Path) -> dict[str, str]:
    """User -> hash. Raises BadRequest with file and line; no hash is ever repeated in it."""
    hashes: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip() or line.startswith("#"):
            continue
        name, colon, hashed = line.strip().partition(":")
        where = f"{path}: line {number}"
        if not colon or not _NAME.fullmatch(name):
            raise BadRequest(f"{where}: a line is user:hash, as htpasswd writes it")
        if name in hashes:
            raise BadRequest(f"{where}: user {shown(name)} stands there twice")
        hashes[name] = _located(f"{where}: user {shown(name)}", hashed)
    return hashes


def _located(where: str, hashed: str) -> str:
    try:
        return check_hash(hashed)
    except BadRequest as error:
        raise BadRequest(f"{where}: {error.sentence}") from None


def read_client_keys(directory: Path) -> dict[str, str]:
    """Public key -> user, from each NAME.key. Raises BadRequest with the file and the reason."""
    keys: dict[str, str] = {}
    for path in _key_files(directory):
        if not _NAME.fullmatch(path.stem):
            raise BadRequest(f"{path}: the name of a user has no blanks and no colon")
        _enter_keys(keys, [read_public_key(path)], path.stem, f"{path}: the key")
    return keys


def _key_files(directory: Path) -> list[Path]:
    try:
        return sorted(path for path in directory.iterdir() if path.suffix == ".key")
    except OSError as error:
        raise BadRequest(
            f"{directory}: {error.strerror}; it holds a NAME.key for each client, which"
            " `qasino keys` makes"
        ) from None


def read_users(text: str, path: Path, roll: Roll) -> Roll:
    """The users of a users file, put on a roll with those of elsewhere.

    Raises BadRequest with the file, the user and the reason.
    """
    try:
        file = msgspec.convert(read_yaml(text), _File)
    except BadRequest as error:
        raise BadRequest(f"{path}: {error.sentence}") from None
    except msgspec.ValidationError as error:
        raise BadRequest(f"{path}: {error}") from None
    for name, entry in file.users.items():
        where = f"{path}: user {shown(name)}"
        try:
            _enter(roll, name, msgspec.convert(entry, _Entry), where)
        except msgspec.ValidationError as error:
            raise BadRequest(f"{where}: {error}") from None
    return roll


def _enter(roll: Roll, name: str, entry: _Entry, where: str) -> None:
    """Put one user of the users file on the roll."""
    if not _NAME.fullmatch(name):
        raise BadRequest(f"{where}: a name has no blanks and no colon")
    unknown = [role for role in entry.roles if role not in ROLES]
    if unknown:
        raise BadRequest(
            f"{where}: {shown(unknown[0])} is not a role; the roles are {', '.join(ROLES)}"
        )
    if entry.password is not None:
        roll.hashes[name] = _located(where, entry.password)
    digests = [_digest(token, where) for token in entry.tokens]
    _enter_keys(roll.tokens, digests, name, f"{where}: a token")
    _enter_keys(roll.curve_keys, _curve_keys(entry, where), name, f"{where}: a CURVE key")
    roll.rights[name] = Rights(name=name, roles=frozenset(entry.roles), identities=entry.identities)


def _enter_keys(taken: dict[Any, str], keys: Iterable[Any], name: str, what: str) -> None:
    for key in keys:
        if taken.setdefault(key, name) != name:
            raise BadRequest(f"{what} is also that of user {shown(taken[key])}")


def _digest(token: str, where: str) -> bytes:
    """A token is kept as its digest: finding it takes no longer the more of it is right.

    Raises BadRequest, which does not repeat the token: a digest with a slip in it would be a
    token itself, and one that everybody may know.
    """
    digest = token_digest(token)
    if token.lower().startswith("sha256:"):
        written = _DIGEST.fullmatch(token.lower())
        if written is None:
            raise BadRequest(f"{where}: a token's digest is sha256: and 64 hexadecimal digits")
        digest = bytes.fromhex(written[1])
    if digest == _NO_TOKEN or not token.strip():
        raise BadRequest(f"{where}: a token is empty, and would let everybody in")
    if not can_be_token(token):
        raise BadRequest(f"{where}: a token has ASCII characters alone, none of them a blank")
    return digest


def token_digest(token: str) -> bytes:
    """What a token is looked up by."""
    return hashlib.sha256(token.encode()).digest()


_NO_TOKEN = token_digest("")


def _curve_keys(entry: _Entry, where: str) -> tuple[str, ...]:
    for key in entry.curve_keys:
        if not is_key(key):
            raise BadRequest(f"{where}: a public CURVE key has 40 characters of Z85")
    return entry.curve_keys
