"""CURVE keys in files, as pyzmq and CZMQ write them: NAME.key is public, NAME.key_secret is not.

    curve
        public-key = "Yne@$w-vo<fVvi]a<NY6T1ed:M$fCG*[IaLV{hID"
        secret-key = "D:)Q[IlAW!ahhC2ac:9*A}h:p?([4%wOTJ%JR%cs"

A key is 40 characters of Z85. A public key says who somebody is and may be handed out; the
secret file has both. A secret is never repeated in a sentence.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from qasino_server.errors import BadRequest

_KEY = re.compile(r"[0-9A-Za-z.\-:+=^!/*?&<>()\[\]{}@%$#]{40}")
_LINE = re.compile(r'\s*(public|secret)-key\s*=\s*"?([^"\s]*)"?\s*')
_PUBLIC_NOTE = "# A public CURVE key: hand it out, over a way that nobody can tamper with.\n"
_SECRET_NOTE = "# A secret CURVE key: it stays on this host, and nobody else may read it.\n"


class KeyPair(msgspec.Struct, frozen=True):
    """Both halves, as Z85 text."""

    public: str
    secret: str


def is_key(text: str) -> bool:
    """Whether a text can be a key."""
    return _KEY.fullmatch(text) is not None


def read_public_key(path: Path) -> str:
    """The public key in a file of either kind. Raises BadRequest with the file and the reason."""
    key = _read(path).get("public")
    if key is None:
        raise BadRequest(f"{path}: there is no public CURVE key in it")
    return key


def read_pair(path: Path) -> KeyPair:
    """The keys in a secret file. Raises BadRequest with the file and the reason."""
    import zmq

    found = _read(path)
    if "secret" not in found:
        raise BadRequest(f"{path}: there is no secret CURVE key in it; that is NAME.key_secret")
    try:
        public = zmq.curve_public(found["secret"].encode()).decode()
    except zmq.ZMQError:
        raise BadRequest(f"{path}: the secret key is none") from None
    if found.get("public", public) != public:
        raise BadRequest(f"{path}: the public key does not belong to the secret one")
    return KeyPair(public, found["secret"])


def _read(path: Path) -> dict[str, str]:
    """public and secret, as far as the file has them."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise BadRequest(f"{path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise BadRequest(f"{path}: not a CURVE key file") from None
    found = {}
    for line in filter(None, map(_LINE.fullmatch, text.splitlines())):
        if not is_key(line[2]):
            raise BadRequest(f"{path}: the {line[1]} key has not 40 characters of Z85")
        found[line[1]] = line[2]
    return found


def make_pair(stem: Path) -> KeyPair:
    """Make a new pair of keys in STEM.key_secret, mode 0600, and STEM.key.

    Directories on the way are made, for this user only. Raises BadRequest where one of the files
    is there: a key is never overwritten.
    """
    import zmq

    public, secret = (key.decode() for key in zmq.curve_keypair())
    public_file, secret_file = (Path(f"{stem}.{kind}") for kind in ("key", "key_secret"))
    lines = f'metadata\ncurve\n    public-key = "{public}"\n'
    try:
        for directory in reversed([stem.parent, *stem.parent.parents]):
            directory.mkdir(exist_ok=True, mode=0o700)
        if public_file.exists():
            raise FileExistsError(17, os.strerror(17), str(public_file))
        _write_new(secret_file, f'{_SECRET_NOTE}{lines}    secret-key = "{secret}"\n', 0o600)
        with _undone(secret_file):
            _write_new(public_file, _PUBLIC_NOTE + lines, 0o644)
    except OSError as error:
        where = error.filename or stem
        raise BadRequest(f"{where}: {error.strerror}; no key was made") from None
    return KeyPair(public, secret)


def _write_new(path: Path, text: str, mode: int) -> None:
    """Make a file, whole or not at all."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with _undone(path), open(descriptor, "w", encoding="utf-8") as out:
        out.write(text)


@contextmanager
def _undone(made: Path) -> Iterator[None]:
    """Half a pair would stand in the way of the next one."""
    try:
        yield
    except BaseException:
        made.unlink(missing_ok=True)
        raise
