"""What opens a server's door: a password or a token, an authority, keys; and whose word counts.

Pure: files are named here and read in `credentials`. Of the command line, the environment and
config.yaml the first that says something counts, for each of these on its own:

    who is asking     a user's password, or a token where no user is named
    whom to believe   an authority's certificate, or anybody
    own CURVE key     and that of the server, each
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from qasino_cli.errors import UsageFault


class Access(msgspec.Struct, frozen=True, kw_only=True):
    """What one place says. Files are named as they stand there."""

    password: str | None = None
    password_file: str | None = None
    token: str | None = None
    token_file: str | None = None
    ca_file: str | None = None
    skip_ssl_verify: bool = False
    curve_key: str | None = None
    """The file of one's own secret key."""
    curve_server_key: str | None = None
    """The server's public key, or a file with it."""

    def tells_who(self, username: str | None) -> bool:
        """Whether it has a secret: that of the user, or without one a token."""
        if username is None:
            return self.token is not None or self.token_file is not None
        return self.password is not None or self.password_file is not None

    @property
    def tells_whom_to_believe(self) -> bool:
        """Whether it says anything about certificates."""
        return self.skip_ssl_verify or self.ca_file is not None


def of_environment(environ: Mapping[str, str]) -> Access:
    """What the environment says; an empty variable says nothing."""
    return Access(
        password=environ.get("QASINO_PASSWORD") or None,
        token=environ.get("QASINO_TOKEN") or None,
        ca_file=environ.get("QASINO_CA_FILE") or None,
        curve_key=environ.get("QASINO_CURVE_KEY") or None,
        curve_server_key=environ.get("QASINO_CURVE_SERVER_KEY") or None,
    )


def check_options(said: Access, scheme: str, username: str | None) -> None:
    """Raise UsageFault where options contradict each other, or would do nothing."""
    _check_one(said, {"password": "-w", "password_file": "--password-file",
                      "token_file": "--token-file"})  # fmt: skip
    _check_one(said, {"ca_file": "--ca-file", "skip_ssl_verify": "--skip-ssl-verify"})
    if said.tells_whom_to_believe and scheme != "https":
        option = "--skip-ssl-verify" if said.skip_ssl_verify else "--ca-file"
        raise UsageFault(f"{option} is for https:// alone; nothing else has certificates")
    if scheme == "zmq" and (username is not None or said.token_file is not None):
        raise UsageFault(
            "ZeroMQ connections have no users; take https:// to send a user name, or --curve-key"
        )
    _check_token(said, username, "--token-file")
    if username is None and (said.password is not None or said.password_file is not None):
        raise UsageFault("a password needs its user; give -u USER")


def check_named(said: Access, name: str, username: str | None) -> None:
    """Raise UsageFault where a server of config.yaml contradicts itself."""
    where = f"config.yaml: servers.{name}: "
    _check_one(said, {"password_file": "password_file", "token_file": "token_file"}, where)
    _check_one(said, {"ca_file": "ca_file", "skip_ssl_verify": "skip_ssl_verify"}, where)
    _check_token(said, username, "token_file", where)


def _check_token(said: Access, username: str | None, field: str, where: str = "") -> None:
    """A user that is named beside a token would be asked for a password."""
    if said.token_file is not None and username is not None:
        raise UsageFault(f"{where}a token says who you are; leave the user away, or {field}")


def _check_one(said: Access, names: Mapping[str, str], where: str = "") -> None:
    """Of these fields, whose names are as the user knows them, one at most may be set."""
    given = [name for field, name in names.items() if getattr(said, field)]
    if len(given) > 1:
        raise UsageFault(f"{where}{' and '.join(given)} contradict each other; give one of them")


def what_counts(places: Sequence[Access], username: str | None) -> Access:
    """One word out of several, the first place's before the next one's."""
    nothing = Access()
    who = next((said for said in places if said.tells_who(username)), nothing)
    whom = next((said for said in places if said.tells_whom_to_believe), nothing)
    named = username is not None
    return Access(
        password=who.password if named else None,
        password_file=who.password_file if named else None,
        token=None if named else who.token,
        token_file=None if named else who.token_file,
        ca_file=whom.ca_file,
        skip_ssl_verify=whom.skip_ssl_verify,
        curve_key=next((said.curve_key for said in places if said.curve_key), None),
        curve_server_key=next(
            (said.curve_server_key for said in places if said.curve_server_key), None
        ),
    )


def without_half_a_pair(found: Access, said: Access) -> Access:
    """Without a CURVE key that lacks the other and that the command line has not `said`: the
    environment has it for another server."""
    whole = found.curve_key is not None and found.curve_server_key is not None
    if whole or said.curve_key is not None or said.curve_server_key is not None:
        return found
    return msgspec.structs.replace(found, curve_key=None, curve_server_key=None)
