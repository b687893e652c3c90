"""What secrets look like: the password hashes of htpasswd, whether a password fits one, tokens.

bcrypt (`htpasswd -B`) and apr1 (`htpasswd -m`, its default) count. Its other kinds are refused
when they are read: crypt(3) looks at eight characters, {SHA} has no salt, plain text is no
hash. https://httpd.apache.org/docs/2.4/misc/password_encryptions.html
"""

from __future__ import annotations

import re

from qasino_server.errors import BadRequest

MAX_PASSWORD_BYTES = 72
"""bcrypt looks at no more; a longer password fits no hash, whatever the kind."""

_BCRYPT = re.compile(r"\$2[aby]\$(0[4-9]|1\d|2\d|3[01])\$[./A-Za-z0-9]{53}")
_APR1 = re.compile(r"\$apr1\$[./A-Za-z0-9]{1,8}\$[./A-Za-z0-9]{22}")


def check_hash(text: str) -> str:
    """A hash of a kind that counts. Raises BadRequest, which does not repeat the text."""
    if _BCRYPT.fullmatch(text) or _APR1.fullmatch(text):
        return text
    raise BadRequest(
        "the password is no bcrypt ($2y$..) or apr1 ($apr1$..) hash; htpasswd -B makes one"
    )


def can_be_token(text: str) -> bool:
    """Whether it goes into a header as it is; of any other token nobody could make use."""
    return text.isascii() and text.isprintable() and " " not in text


def fits(password: str, hashed: str) -> bool:
    """Whether a password belongs to a hash; takes as long as the hash was made to take.

    The comparisons are bcrypt's and libpass's own, which take the same time wherever two
    hashes differ.
    """
    secret = password.encode()
    if len(secret) > MAX_PASSWORD_BYTES or b"\0" in secret:
        return False
    if hashed.startswith("$apr1$"):
        from passlib.hash import apr_md5_crypt  # 60 ms, for a kind few files still have

        return bool(apr_md5_crypt.verify(secret, hashed))
    import bcrypt

    try:
        return bcrypt.checkpw(secret, hashed.encode())
    except ValueError:  # a salt with bits bcrypt never sets: nobody's hash
        return False
