"""The user's `config.yaml`: named servers and tastes. Read once, strictly, never written.

    servers:
      prod: https://ops@stats.example.com
      lab:                # more than a URL: how to be let in
        url: zmq://lab:15598
        curve_key: ~/.config/qasino/me.key_secret
        curve_server_key: ~/.config/qasino/lab.key
    server: prod          # the one meant where nobody says
    format: table         # of `qasino sql` on a terminal
    keys: emacs           # or vi
    colors: auto          # or always, never
    theme: auto           # or dark, light
    pager: less -SRX      # '' for none; default: QASINO_PAGER, PAGER, less

A server may also have ca_file, skip_ssl_verify, password_file and token_file. An unknown key is
an error: a typing mistake must not look like a setting that does nothing.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Literal, get_args, get_type_hints

import msgspec

from qasino_cli.connection import NamedServer
from qasino_cli.errors import UsageFault
from qasino_cli.places import CONFIG_VARIABLE, Homeless, Missing, config_file, text_of
from qasino_server.errors import BadRequest
from qasino_server.table import shown
from qasino_server.yaml_text import read_yaml


class Config(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the file says; the defaults where it says nothing."""

    servers: dict[str, str | NamedServer] = {}
    """Name -> URL, or more; a name is what -s and QASINO_SERVER may say instead."""
    server: str | None = None
    """The name or URL of the server meant where neither says one."""
    format: str | None = None
    keys: Literal["emacs", "vi"] = "emacs"
    colors: Literal["auto", "always", "never"] = "auto"
    theme: Literal["auto", "dark", "light"] = "auto"
    pager: str | None = None


def load_config() -> Config:
    """The configuration of this user; the defaults where there is no file. Raises UsageFault, also
    where a file was named that is not there: it would be another server that is asked.
    """
    try:
        path = config_file()
        text = text_of(path)
    except Homeless:
        return Config()  # a user without a home has none
    except Missing as error:
        if os.environ.get(CONFIG_VARIABLE):
            raise UsageFault(f"{CONFIG_VARIABLE}: {error.sentence}") from None
        return Config()
    return read_config(text, path)


def read_config(text: str, path: Path) -> Config:
    """The configuration that a YAML text holds. Raises UsageFault with the file and the key."""
    try:
        found = read_yaml(text)
        _check_keys(found, "", Config)
        return msgspec.convert({} if found is None else found, Config)
    except BadRequest as error:
        raise UsageFault(f"{path}: {error.sentence}") from None
    except msgspec.ValidationError as error:
        raise UsageFault(f"{path}: {_located(str(error))}") from None


def _check_keys(found: object, place: str, kind: type[msgspec.Struct]) -> None:
    """Raise BadRequest for a key that `kind` has not, there or in a server."""
    if not isinstance(found, dict):
        return
    keys = kind.__struct_fields__
    for key, value in found.items():
        if key not in keys:
            raise BadRequest(f"{place}{shown(key)} is not a key; the keys are {', '.join(keys)}")
        if key == "servers" and isinstance(value, dict):
            for name, server in value.items():
                _check_keys(server, f"servers.{name}: ", NamedServer)
                _check_server(server, f"servers.{name}")


def _check_server(found: object, place: str) -> None:
    """Raise BadRequest for values no server can have: msgspec does not say which one it is."""
    try:
        msgspec.convert(found, str | NamedServer)
    except msgspec.ValidationError as error:
        raise BadRequest(f"{place}: {_located(str(error))}") from None


def _located(message: str) -> str:
    """msgspec's "Expected `str`, got `int` - at `$.server`", the key first, and what it may be."""
    reason, _, place = message.partition(" - at `$.")
    key = place.rstrip("`")
    hints: dict[str, Any] = get_type_hints(Config)
    words = [word for word in get_args(hints.get(key)) if isinstance(word, str)]
    choices = f"; there are {', '.join(words)}" if words else ""
    return f"{key}: {reason}{choices}" if key else message
