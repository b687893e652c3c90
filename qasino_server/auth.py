"""Who asks over HTTP: the Authorization header -> rights.

A token is looked up at once. A password takes a quarter of a second to check, on purpose, so:
the check is done by a thread of its own, never by the one that serves everybody; a password
that was right is remembered (as a keyed digest, with the hash it was right for), so that a
client pays once and not at every request; and those who wait are taken in turns by address,
so that a flood of wrong passwords from one delays nobody else by more than one check. With IPv6
an address counts as its network: a host has more of them than could ever wait in turns.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import logging
import os
import threading
from collections import OrderedDict
from collections.abc import Callable

import msgspec

from qasino_server.errors import Busy, QasinoError, Unauthorized
from qasino_server.passwords import fits
from qasino_server.rights import Rights
from qasino_server.seats import network_of
from qasino_server.service import OnDeath, Service
from qasino_server.turns import Turns
from qasino_server.users import Users, token_digest

log = logging.getLogger("qasino.auth")

REMEMBERED = 10_000
WAITING_PER_ADDRESS = 8
WAITING = 1_000

CHALLENGE = b'Basic realm="Qasino", charset="UTF-8"'
"""What WWW-Authenticate says beside a 401, so that a browser asks its reader."""

Outcome = Rights | QasinoError
_ASK = "say who you are: a user and a password (HTTP Basic), or a token (Bearer)"
_NO = "the user or the password is wrong"
_NOBODY = "$2b$12$PcyKwf7UJ.Hk3ThIxKUjTOzaWVxd.5HGuQ2gBbUTC/FWv5C6e9iC."
"""Checked for a user who does not exist, where no other hash is there to show how long a
check takes."""


class _Claim(msgspec.Struct, frozen=True):
    asker: str
    """The address it came from, or its network."""
    address: str
    user: str
    password: str
    answer: Callable[[Outcome], None]


class Gate(Service):
    """Tells who asks; the thread checks passwords."""

    def __init__(self, users: Users, on_death: OnDeath) -> None:
        super().__init__("password-checks", on_death)
        self._users = users
        self._key = os.urandom(32)
        self._right: OrderedDict[bytes, None] = OrderedDict()
        self._condition = threading.Condition()
        self._waiting: Turns[_Claim] = Turns()

    def identify(
        self, authorization: str | None, address: str, answer: Callable[[Outcome], None]
    ) -> Outcome | None:
        """The rights of whoever sent this header, or why they have none.

        None where a password has to be checked first: `answer` is then called with the
        outcome, in the thread that checks.
        """
        scheme, _, credentials = (authorization or "").strip().partition(" ")
        if scheme.lower() == "bearer":
            return self._bearer(credentials.strip(), address)
        if scheme.lower() != "basic":
            return Unauthorized(_ASK)
        named = _user_and_password(credentials.strip())
        if named is None:
            return Unauthorized("the Authorization header is not base64 of user:password")
        return self._password(*named, address, answer)

    def _bearer(self, token: str, address: str) -> Outcome:
        roll = self._users.current()
        user = roll.tokens.get(token_digest(token))
        if user is None:
            log.info("unknown token address=%s", address)
            return Unauthorized("the token is not known here")
        return roll.rights[user]

    def _password(
        self, user: str, password: str, address: str, answer: Callable[[Outcome], None]
    ) -> Outcome | None:
        roll = self._users.current()
        hashed = roll.hashes.get(user)
        if hashed is not None and self._seal(user, password, hashed) in self._right:
            return roll.rights[user]
        return self._queue(_Claim(network_of(address), address, user, password, answer))

    def _seal(self, user: str, password: str, hashed: str) -> bytes:
        """What a right password is remembered by; another hash makes it another."""
        named = "\0".join((user, password, hashed)).encode()
        return hmac.new(self._key, named, hashlib.sha256).digest()

    def _queue(self, claim: _Claim) -> Outcome | None:
        with self._condition:
            theirs = self._waiting.waiting_for(claim.asker)
            if theirs >= WAITING_PER_ADDRESS or len(self._waiting) >= WAITING:
                return Busy("too many passwords wait to be checked; try again")
            self._waiting.put(claim)
            self._condition.notify()
        return None

    # --- The thread -------------------------------------------------------------------------

    def wake(self) -> None:
        with self._condition:
            self._condition.notify()

    def run(self) -> None:
        """Check one password after the other until stopped."""
        while (claim := self._next()) is not None:
            claim.answer(self._check(claim))

    def _next(self) -> _Claim | None:
        """The claim whose turn it is; None once this thread is to end."""
        with self._condition:
            while not self.stopping.is_set():
                claim = self._waiting.take()
                if claim is not None:
                    return claim
                self._condition.wait()
        return None

    def _check(self, claim: _Claim) -> Outcome:
        roll = self._users.current()
        hashed = roll.hashes.get(claim.user)
        if hashed is not None and self._seal(claim.user, claim.password, hashed) in self._right:
            return roll.rights[claim.user]  # it was checked for another that waited
        right = fits(claim.password, hashed or self._decoy(claim.user, list(roll.hashes.values())))
        if not right or hashed is None:
            log.info("wrong password address=%s user=%r", claim.address, claim.user)
            return Unauthorized(_NO)
        self._remember(self._seal(claim.user, claim.password, hashed))
        return roll.rights[claim.user]

    def _decoy(self, user: str, hashes: list[str]) -> str:
        """What is checked for a user who does not exist: always the same one of the others'.

        Hashes of different kinds and costs take different times; so do they for names that do
        not exist, and the time tells nobody which do.
        """
        drawn = int.from_bytes(hmac.digest(self._key, user.encode(), "sha256")[:8])
        return hashes[drawn % len(hashes)] if hashes else _NOBODY

    def _remember(self, seal: bytes) -> None:
        self._right[seal] = None
        while len(self._right) > REMEMBERED:
            self._right.popitem(last=False)


def _user_and_password(credentials: str) -> tuple[str, str] | None:
    """RFC 7617: base64 of user, a colon, the password; UTF-8."""
    try:
        text = base64.b64decode(credentials, validate=True).decode()
    except ValueError:
        return None
    user, colon, password = text.partition(":")
    return (user, password) if colon else None
