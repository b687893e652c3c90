"""How long something is to be is written the same way everywhere."""

from __future__ import annotations

import re
from typing import Any

import pytest
from typer.main import get_command

from qasino_cli.commands import ROOMS, app
from qasino_cli.durations import read_duration_s
from qasino_cli.errors import UsageFault
from qasino_cli.server_options import OPTIONS


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("30", 30), ("30s", 30), ("5m", 300), ("1h", 3600), ("2d", 172_800), ("0.5", 0.5)],
)
def test_a_time_is_read_with_its_unit(text: str, seconds: float) -> None:
    assert read_duration_s("--ttl", text) == seconds


@pytest.mark.parametrize("text", ["", "0", "-1", "soon", "m", "5 mm", "nan", "1w"])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(UsageFault) as caught:
        read_duration_s("--ttl", text)
    wanted = "a time above 0 s, such as 30, 30s, 5m or 1h"
    assert caught.value.sentence == f"--ttl: {text!r} is not {wanted}"


@pytest.mark.parametrize(
    ("text", "bounds", "wanted"),
    [
        ("0.9", (1.0,), "a time of 1 s or more, such as"),
        ("-1", (0.0,), "a time of 0 s or more, such as"),
        ("25h", (None, 86400.0), "a time above 0 s and up to 86400 s, such as"),
        ("400d", (1.0, 366 * 86400), "a time of 1 s or more and up to 31622400 s (366 days), such"),
        ("99999d", (), "a time above 0 s and up to 1000000000 s (11574 days), such as"),
        ("1e10", (), "a time above 0 s and up to 1000000000 s (11574 days), such as"),
        ("inf", (), "a time above 0 s and up to 1000000000 s (11574 days), such as"),
    ],
)
def test_a_time_out_of_bounds_is_refused_with_them(text: str, bounds: Any, wanted: str) -> None:
    with pytest.raises(UsageFault, match=f"^--ttl: '{text}' is not {re.escape(wanted)}"):
        read_duration_s("--ttl", text, *bounds)


def options_of(command: str) -> list[Any]:
    """Those of a command that take seconds."""
    group = get_command(app)
    context = group.make_context("qasino", [], resilient_parsing=True)
    found = group.get_command(context, command)
    return [each for each in found.params if getattr(each, "metavar", None) == "SECONDS"]


@pytest.mark.parametrize("command", [name for name in ROOMS if name not in ("server", "keys")])
def test_every_option_of_a_client_takes_five_minutes(command: str) -> None:
    options = options_of(command)
    assert options
    for option in options:
        assert option.type.convert("5m", option, None) == 300, option.opts
        with pytest.raises(UsageFault, match=f"^{option.opts[-1]}: 'soon' is not a time "):
            option.type.convert("soon", option, None)


def test_every_option_of_the_server_takes_five_minutes() -> None:
    read = {option.name: option.read("5m") for option in OPTIONS if option.metavar == "SECONDS"}
    assert set(read.values()) == {300}
    assert len(read) == 4
