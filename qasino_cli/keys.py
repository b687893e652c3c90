"""`qasino keys`: pairs of CURVE keys, for a server and for those who speak ZeroMQ with it."""

from __future__ import annotations

from typing import Annotated

import typer

from qasino_cli.console import ExitCode, say, write
from qasino_cli.errors import UsageFault
from qasino_cli.places import expanded
from qasino_server.curve_keys import make_pair
from qasino_server.errors import BadRequest


def keys(
    names: Annotated[
        list[str],
        typer.Argument(metavar="NAME...", help="Where to make a pair, without .key."),
    ],
) -> ExitCode:
    """Make pairs of CURVE keys: NAME.key_secret, which nobody else may read, and NAME.key.

    Prints the public keys. A file that is there is never overwritten.

    \b
    Examples:
      qasino keys curve/server curve/clients/ann
      qasino server --curve-keys curve
      qasino sql --curve-key curve/clients/ann.key_secret --curve-server-key curve/server.key
    """
    for name in names:
        _make(name)
    return ExitCode.OK


def _make(name: str) -> None:
    if name == "~" or name.rsplit("/", 1)[-1] in ("", ".", ".."):
        raise UsageFault(f"{name!r} does not name a pair of keys; give a name such as web-1")
    path = expanded(name)
    try:
        pair = make_pair(path)
    except BadRequest as error:
        raise UsageFault(error.sentence) from None
    write(f"{pair.public}\n")
    say(f"made {path}.key_secret, to keep, and {path}.key, to hand out")
