"""The options of `qasino server`: one table, four sources."""

from __future__ import annotations

import inspect
import re
from pathlib import Path
from typing import Any

import pytest
from command import run_qasino

from qasino_cli.console import ExitCode
from qasino_cli.demo import connection_to, own_address, queries_to_try
from qasino_cli.errors import UsageFault
from qasino_cli.server import greeting, server
from qasino_cli.server_options import (
    OPTIONS,
    Configuration,
    Option,
    read_configuration,
    read_file,
    unknown_variables,
)
from qasino_server.settings import Settings

PORTS = {"http": 15597, "zmq": 15598, "pubsub": 15596, "line": 15000}


def test_nothing_given_is_the_defaults() -> None:
    configuration = read_configuration({}, {}, {})
    assert configuration.settings == Settings()
    assert (configuration.log_level, configuration.duration_given) == ("info", False)


def test_every_field_of_the_settings_has_an_option() -> None:
    fields = {option.field for option in OPTIONS}
    assert fields == {*Settings.__struct_fields__, "log_level"}


IN_WORDS = {
    "identity": "the host's name",
    "db-dir": "in /dev/shm where 1 GB is free, else the temporary directory",
    "static-db": "~/.local/state/qasino/static.db",
    "max-generation-bytes": (
        "a quarter of what is free there at the start, at least 16M, or a third where that is less"
    ),
    "max-memory": "half of what there is",
}
"""Defaults that only the machine tells."""


@pytest.mark.parametrize("option", OPTIONS, ids=lambda option: option.name)
def test_the_help_of_an_option_states_its_default(option: Option) -> None:
    stated = re.findall(r"\[default: ([^];]+)(?:; [^]]+)?\]$", option.help)
    default = getattr(Settings(), option.field, Configuration(Settings()).log_level)
    if option.name in IN_WORDS:
        assert stated == [IN_WORDS[option.name]]
    elif default is None or default == frozenset():
        assert stated in (["none"], ["none is kept"])
    else:
        assert [option.read(text) for text in stated] == [default]


def test_the_command_line_beats_the_environment_beats_the_file() -> None:
    file = {"http-port": "1", "zmq-port": "1", "line-port": "1"}
    environ = {"QASINO_SERVER_HTTP_PORT": "2", "QASINO_SERVER_ZMQ_PORT": "2"}
    settings = read_configuration({"http_port": "3"}, environ, file).settings
    assert (settings.http_port, settings.zmq_port, settings.line_port) == (3, 2, 1)


@pytest.mark.parametrize(
    ("option", "text", "value"),
    [
        ("http_port", "0", 0),
        ("line_port", "off", None),
        ("max_body", "1000", 1000),
        ("max_body", "512K", 512 << 10),
        ("max_body", "64m", 64 << 20),
        ("max_result", "1 GiB", 1 << 30),
        ("generation_duration", "5", 5),
        ("query_timeout", "0.5", 0.5),
        ("query_timeout", "5m", 300.0),
        ("generation_duration", "5m", 300),
        ("static_db", "a b", Path("a b")),
    ],
)
def test_an_option_is_read_with_its_unit(option: str, text: str, value: object) -> None:
    settings = read_configuration({option: text}, {}, {}).settings
    field = {each.parameter: each.field for each in OPTIONS}[option]
    assert getattr(settings, field) == value


@pytest.mark.parametrize(
    ("option", "text", "wanted"),
    [
        ("http_port", "65536", "a port: 0 to 65535 (0 takes a free one), or off"),
        ("http_port", "-1", "a port: 0 to 65535 (0 takes a free one), or off"),
        ("generation_duration", "0", "a whole number of seconds, 1 to 86400"),
        ("generation_duration", "2.5", "a whole number of seconds, 1 to 86400"),
        ("generation_duration", "2d", "a whole number of seconds, 1 to 86400"),
        ("query_timeout", "nan", "a time above 0 s, such as 30, 30s, 5m or 1h"),
        (
            "forget_after",
            "1e300",
            "a time above 0 s and up to 1000000000 s (11574 days), such as 30, 30s, 5m or 1h",
        ),
        (
            "max_memory",
            "1024G",
            "a number of bytes above 0 and below 1024G, such as 1000000, 512K, 64M or 1G",
        ),
        ("max_body", "64X", "a number of bytes above 0, such as 1000000, 512K, 64M or 1G"),
        ("max_rows", "0", "a whole number, 1 to 1099511627776"),
        ("max_rows", "2000000000000", "a whole number, 1 to 1099511627776"),
        ("log_level", "loud", "one of debug, info, warning, error"),
        ("listen", "a b", "an address of this host, such as 127.0.0.1 or 0.0.0.0"),
    ],
)
def test_a_wrong_value_is_a_usage_error_that_names_the_option(
    option: str, text: str, wanted: str
) -> None:
    flag = "--" + option.replace("_", "-")
    with pytest.raises(UsageFault) as caught:
        read_configuration({option: text}, {}, {})
    assert caught.value.sentence == f"{flag}: {text!r} is not {wanted}"


def test_a_number_of_thousands_of_digits_is_told_as_any_other() -> None:
    """Python takes no text of so many for a number, and says so in words of its own."""
    with pytest.raises(
        UsageFault, match=r"^--max-body: '9+\.{3}' is not a number of bytes above 0"
    ):
        read_configuration({"max_body": "9" * 5000}, {}, {})


def test_a_wrong_value_elsewhere_names_where_it_stands() -> None:
    with pytest.raises(UsageFault, match="QASINO_SERVER_HTTP_PORT: 'x' is not a port"):
        read_configuration({}, {"QASINO_SERVER_HTTP_PORT": "x"}, {})
    with pytest.raises(UsageFault, match="configuration file: http-port: 'x' is not a port"):
        read_configuration({}, {}, {"http-port": "x"})
    with pytest.raises(UsageFault, match=r"--config: a\.yaml: http-port: 'x' is not a port"):
        read_configuration({}, {}, {"http-port": "x"}, "--config: a.yaml")


def test_a_configuration_file_takes_dashes_or_underscores(tmp_path: Path) -> None:
    path = tmp_path / "qasino.yaml"
    path.write_text("http-port: 0\ngeneration_duration: 7\nline-port: off\nmax-body: 1M\n")
    assert read_file(path) == {
        "http-port": "0",
        "generation-duration": "7",
        "line-port": "off",
        "max-body": "1M",
    }
    path.write_text("# nothing\n")
    assert read_file(path) == {}


@pytest.mark.parametrize(
    "text", ["1.10", "010", "12:30", "2026-11-27", "2001-13-01", "1e3", "0x1F"]
)
def test_a_configuration_file_has_what_stands_there(tmp_path: Path, text: str) -> None:
    path = tmp_path / "qasino.yaml"
    path.write_text(f"identity: {text}\n")
    assert read_file(path) == {"identity": text}


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("htp-port: 1", "'htp-port' is not an option; the options are listen, http-port,"),
        ("config: b.yaml", "config is for the command line alone"),
        ("demo: yes", "demo is for the command line alone"),
        ("- http-port", "must be a mapping, such as http-port: 15597"),
        ("a: [", "not YAML: while parsing"),
        ("http-port: [1]", "http-port takes one value, and has more"),
        ("http-port:", "http-port takes one value, and has none"),
        ("archive-dir: no", "archive-dir takes one value, not false; in YAML a bare yes,"),
        ("http-port: on", "http-port takes one value, not true"),
        ("http-port: 1\nhttp_port: 2", "http-port is there twice, as 'http_port' too"),
        ("!!python/object/apply:os.getcwd []", "not YAML: could not determine a constructor"),
    ],
)
def test_a_wrong_configuration_file_is_a_usage_error_that_names_it(
    content: str, sentence: str, tmp_path: Path
) -> None:
    path = tmp_path / "qasino.yaml"
    path.write_text(content)
    with pytest.raises(UsageFault) as caught:
        read_file(path)
    assert caught.value.sentence.startswith(f"--config: {path}: {sentence}")
    assert "\n" not in caught.value.sentence


def test_a_variable_that_is_no_option_is_told_at_the_start(tmp_path: Path) -> None:
    """A slip left a server open that was to ask for users."""
    ran = run_qasino(
        *("server", "--db-dir", tmp_path / "db", "--static-db", tmp_path / "static.db"),
        *("--listen", "192.0.2.1", "--log-level", "error"),
        QASINO_SERVER_REQUIRE_AUHT="yes",
        QASINO_SERVER_PORT="1234",
        QASINO_SERVER_HTTP_PORT="0",
    )
    told = [line.split(" ", 1)[1] for line in ran.stderr.splitlines()[:-1]]
    assert told == [
        "WARNING qasino.server QASINO_SERVER_PORT is no option and sets nothing",
        "WARNING qasino.server QASINO_SERVER_REQUIRE_AUHT is no option and sets nothing;"
        " is QASINO_SERVER_REQUIRE_AUTH meant?",
    ]


def test_a_variable_of_an_option_for_the_command_line_alone_is_told_to_be_that() -> None:
    """It is an option: "is no option" would be untrue."""
    environ = {"QASINO_SERVER_DEMO": "yes", "QASINO_SERVER_CONFIG": "server.yaml"}
    assert unknown_variables(environ) == [
        "QASINO_SERVER_CONFIG sets nothing: --config is for the command line alone",
        "QASINO_SERVER_DEMO sets nothing: --demo is for the command line alone",
    ]
    typed = set(inspect.signature(server).parameters) - {option.parameter for option in OPTIONS}
    assert {f"QASINO_SERVER_{name.upper()}" for name in typed} == set(environ)


def test_nothing_is_said_of_what_kubernetes_sets_for_a_service_of_that_name() -> None:
    set_by_it = {
        "SERVICE_HOST": "10.0.0.11",
        "SERVICE_PORT": "15597",
        "SERVICE_PORT_HTTP": "15597",
        "PORT": "tcp://10.0.0.11:15597",
        "PORT_15597_TCP": "tcp://10.0.0.11:15597",
        "PORT_15597_TCP_PROTO": "tcp",
        "PORT_15597_TCP_PORT": "15597",
        "PORT_15597_TCP_ADDR": "10.0.0.11",
    }
    assert not unknown_variables({f"QASINO_SERVER_{key}": set_by_it[key] for key in set_by_it})
    assert len(unknown_variables({"QASINO_SERVER_SERVICE": "x", "QASINO_SERVER_PORTS": "1"})) == 2


def test_a_missing_configuration_file_is_a_usage_error() -> None:
    with pytest.raises(UsageFault, match="--config: /nosuch: No such file or directory"):
        read_file(Path("/nosuch"))


def test_a_configuration_file_without_a_name_is_a_usage_error() -> None:
    """An unset variable of a script."""
    ran = run_qasino("server", "--config", "")
    assert ran.returncode == ExitCode.USAGE
    assert ran.stderr == "--config: '' is not the name of a file\n"


def test_on_loopback_the_greeting_says_how_to_open_the_server() -> None:
    assert greeting(Settings(identity="me"), PORTS) == [
        "qasino me listens on 127.0.0.1: http 15597, zmq 15598, pubsub 15596, line 15000",
        "only this host can connect; --listen 0.0.0.0 lets other hosts in",
    ]


@pytest.mark.parametrize(
    ("settings", "ports", "idle"),
    [
        (Settings(https_port=8443), PORTS, "--https-port opens nothing without a certificate"),
        (Settings(htpasswd_file=Path("ht")), PORTS, "--htpasswd-file asks nobody: users are asked"),
        (Settings(htpasswd_file=Path("ht")), {**PORTS, "https": 443}, None),
        (Settings(htpasswd_file=Path("ht"), require_auth=True), PORTS, None),
        (Settings(https_port=None), PORTS, None),
        (Settings(archive_keep=5), PORTS, "--archive-keep keeps nothing without --archive-dir"),
        (Settings(archive_keep=5, archive_dir=Path("a")), PORTS, None),
    ],
)
def test_the_greeting_warns_of_what_was_asked_for_and_comes_to_nothing(
    settings: Settings, ports: dict[str, int], idle: str | None
) -> None:
    warnings = [line for line in greeting(settings, ports) if line.startswith("WARNING")]
    assert [line.removeprefix("WARNING: ").startswith(str(idle)) for line in warnings] == (
        [] if idle is None else [True]
    )


@pytest.mark.parametrize("address", ["0.0.0.0", "::", "127.example.org", "::1f00", "localhosts"])
def test_opened_without_authentication_the_greeting_warns(address: str) -> None:
    warning = greeting(Settings(identity="me", listen=address), PORTS)[1]
    assert warning.startswith("WARNING: every host that reaches this one can read and publish")


KEYED, ASKING = {"curve_keys": Path("keys")}, {"htpasswd_file": Path("ht")}


@pytest.mark.parametrize(
    ("given", "ports", "ending"),
    [
        ({}, PORTS, "on http, zmq and line of 0.0.0.0; --users-file has everybody say who"),
        ({}, {"zmq": 1, "pubsub": 2}, "on zmq of 0.0.0.0; --users-file has everybody say who"),
        ({}, {"pubsub": 2}, None),
        ({}, {}, None),
        (ASKING, {"https": 443, **PORTS}, "on http, zmq and line of 0.0.0.0; --require-auth"),
        (ASKING, {"https": 443, "pubsub": 2}, None),
        (KEYED, PORTS, "on http and line of 0.0.0.0; --require-auth mends that"),
        (KEYED, {"https": 443, "zmq": 1, "line": 2}, "on line of 0.0.0.0; --require-auth"),
        (KEYED, {"https": 443, "zmq": 1, "pubsub": 2}, None),
    ],
)
def test_opened_the_greeting_warns_of_the_ports_that_ask_for_nothing(
    given: dict[str, Any], ports: dict[str, int], ending: str | None
) -> None:
    told = greeting(Settings(identity="me", listen="0.0.0.0", **given), ports)[1:]
    if ending is None:
        assert told == []
    else:
        assert f"there is no authentication {ending}" in told[0]


@pytest.mark.parametrize(
    ("listen", "ports", "warns"),
    [
        ("0.0.0.0", {"http": 1, "https": 443}, True),
        ("0.0.0.0", {"https": 443}, False),
        ("127.0.0.1", {"http": 1, "https": 443}, False),
    ],
)
def test_it_warns_of_passwords_that_others_can_read(
    listen: str, ports: dict[str, int], warns: bool
) -> None:
    settings = Settings(listen=listen, users_file=Path("users.yaml"))
    told = [line for line in greeting(settings, ports) if line.startswith("WARNING")]
    assert [line.startswith("WARNING: passwords and tokens can be read") for line in told] == (
        [True] * warns
    )


def test_where_everybody_is_asked_the_greeting_names_what_is_closed() -> None:
    asking = Settings(identity="me", users_file=Path("users.yaml"))
    assert greeting(asking, {"http": 1})[1] == (
        "ZeroMQ, the signal and the line port, which cannot ask for users, are closed;"
        " --curve-keys opens ZeroMQ and the signal to those who have a key"
    )
    with_keys = Settings(identity="me", users_file=Path("users.yaml"), curve_keys=Path("keys"))
    assert greeting(with_keys, {"http": 1, "zmq": 2})[1] == (
        "the line port, which cannot ask for users, is closed"
    )


def test_the_demo_goes_through_zeromq_or_else_http() -> None:
    keyed = Settings(curve_keys=Path("keys"))
    assert connection_to(keyed, PORTS).url == "http://127.0.0.1:15597"
    assert connection_to(Settings(), PORTS).url == "zmq://127.0.0.1:15598"
    assert connection_to(Settings(listen="0.0.0.0"), {"http": 7}).url == "http://127.0.0.1:7"
    with pytest.raises(UsageFault):
        connection_to(Settings(), {"line": 15000})
    assert own_address("::") == "::1"


def test_the_queries_to_try_name_the_server_only_where_it_is_not_the_usual_one() -> None:
    usual = queries_to_try(Settings(), PORTS)
    assert len(usual) == 5
    assert all(line.startswith('  qasino sql -q "select ') for line in usual[1:4])
    other = queries_to_try(Settings(), PORTS | {"zmq": 7})
    assert all(line.startswith("  qasino sql -s zmq://127.0.0.1:7 -q ") for line in other[1:4])


def test_what_to_try_ends_with_the_pages_where_there_are_any() -> None:
    assert queries_to_try(Settings(), PORTS)[-1] == "or, in a browser: http://localhost:15597/"
    other = Settings(listen="0.0.0.0")
    assert queries_to_try(other, PORTS | {"http": 7})[-1].endswith(" http://localhost:7/")
    other = Settings(listen="192.0.2.1")
    assert queries_to_try(other, PORTS)[-1].endswith(" http://192.0.2.1:15597/")
    assert "browser" not in queries_to_try(Settings(), {"zmq": 15598})[-1]
