"""Which server is meant: one URL, or the ancestor's options."""

from __future__ import annotations

import re

import pytest

from qasino_cli.connection import Connection, Given, read_connection
from qasino_cli.errors import UsageFault


@pytest.mark.parametrize(
    ("server", "scheme", "host", "port"),
    [
        ("zmq://web-01", "zmq", "web-01", 15598),
        ("zmq://web-01:1", "zmq", "web-01", 1),
        ("http://web-01", "http", "web-01", 15597),
        ("http://web-01:80/", "http", "web-01", 80),
        ("https://web-01", "https", "web-01", 443),
        ("web-01", "zmq", "web-01", 15598),
        ("web-01:9", "zmq", "web-01", 9),
        ("10.0.0.1", "zmq", "10.0.0.1", 15598),
        ("[::1]:7", "zmq", "::1", 7),
        ("::1", "zmq", "::1", 15598),
        (" HTTP://Web-01 ", "http", "web-01", 15597),
    ],
)
def test_a_url_or_a_bare_host_names_a_server(
    server: str, scheme: str, host: str, port: int
) -> None:
    connection = read_connection(Given(server=server), {})
    assert (connection.scheme, connection.host, connection.port) == (scheme, host, port)


def test_without_any_option_the_server_is_local_and_speaks_zeromq() -> None:
    assert read_connection(Given(), {}) == Connection()
    assert Connection().url == "zmq://localhost:15598"


def test_the_environment_names_the_server() -> None:
    environ = {"QASINO_SERVER": "http://stats"}
    assert read_connection(Given(), environ).url == "http://stats:15597"
    assert read_connection(Given(), {"QASINO_SERVER": ""}) == Connection()


def test_the_address_of_a_url_stands_in_brackets_where_it_has_colons() -> None:
    assert read_connection(Given(server="::1"), {}).url == "zmq://[::1]:15598"


def test_a_host_is_given_up_after_five_seconds_or_when_the_time_is_up() -> None:
    assert Connection().connect_timeout_s == 5
    assert Connection(timeout_s=1).connect_timeout_s == 1


def test_the_command_line_beats_the_environment() -> None:
    environ = {"QASINO_SERVER": "http://stats:99"}
    assert read_connection(Given(server="other"), environ).url == "zmq://other:15598"
    assert read_connection(Given(hostname="other"), environ).url == "zmq://other:15598"
    assert read_connection(Given(use_http=True), environ).url == "http://localhost:15597"
    assert read_connection(Given(port=7), environ).url == "http://stats:7"


def test_the_ancestors_options_name_a_server() -> None:
    given = Given(hostname="stats", use_https=True, username="me", password="secret")
    connection = read_connection(given, {})
    assert connection.url == "https://stats:443"
    assert (connection.username, connection.password) == ("me", "secret")


def test_user_and_password_come_from_the_url_and_the_environment() -> None:
    environ = {"QASINO_PASSWORD": "from env"}
    connection = read_connection(Given(server="https://m%40e@stats"), environ)
    assert (connection.username, connection.password) == ("m@e", "from env")
    assert "m%40e" not in connection.url


def test_a_url_and_options_that_agree_are_one_server() -> None:
    given = Given(server="http://stats:80", hostname="stats", use_http=True, port=80)
    assert read_connection(given, {}).url == "http://stats:80"


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        (
            Given(server="stats", hostname="other"),
            "the host is 'stats' in the URL and 'other' in -H; give it once",
        ),
        (
            Given(server="http://stats", use_https=True),
            "the protocol is 'http' in the URL and 'https' in --use-*; give it once",
        ),
        (
            Given(server="stats:1", port=2),
            "the port is 1 in -s and 2 in -p; give it once",
        ),
        (
            Given(server="https://a@stats", username="b"),
            "the user is 'a' in the URL and 'b' in -u; give it once",
        ),
        (
            Given(use_zmq=True, use_http=True),
            "--use-zmq and --use-http contradict each other; give one of them",
        ),
        (
            Given(username="me"),
            "ZeroMQ connections have no users; take https:// to send a user name, or --curve-key",
        ),
        (
            Given(server="ftp://stats"),
            "-s: 'ftp' is no protocol of ours; give zmq://host:15598, http://host:15597,"
            " https://user@host or host",
        ),
        (
            Given(server="http://stats/path"),
            "-s: 'http://stats/path' names more than a server; give zmq://host:15598,"
            " http://host:15597, https://user@host or host",
        ),
        *(
            (
                Given(server=f"http://stats{more}"),
                f"-s: 'http://stats{more}' names more than a server; give zmq://host:15598,"
                " http://host:15597, https://user@host or host",
            )
            for more in ("?q=1", "#top")
        ),
        (Given(server="stats:99999"), "-s: the port of 'stats:99999' is not 1 to 65535"),
        (Given(server="stats:0"), "-s: 0 is not a port, ports are 1 to 65535"),
        (Given(port=0), "-p: 0 is not a port, ports are 1 to 65535"),
        (Given(port=65536), "-p: 65536 is not a port, ports are 1 to 65535"),
        (Given(pubsub_port=0), "--pubsub-port: 0 is not a port, ports are 1 to 65535"),
        (
            Given(hostname="http://stats"),
            "-H: 'http://stats' is not the name of a host; give zmq://host:15598,"
            " http://host:15597, https://user@host or host",
        ),
        (
            Given(server=""),
            "-s: '' is not the name of a host; give zmq://host:15598, http://host:15597,"
            " https://user@host or host",
        ),
    ],
)
def test_contradictions_and_nonsense_are_usage_errors(given: Given, sentence: str) -> None:
    with pytest.raises(UsageFault) as caught:
        read_connection(given, {})
    assert caught.value.sentence == sentence


@pytest.mark.parametrize(
    "url",
    [
        "https://ops:sesame@h:99999",
        "https://ops:sesame@h/x",
        "https://ops:se/same@h",
        "https://ops:se?sa@me@h",
        "https://ops:se[sa]me@h",
        "https://ops:sesame℀@h",
        "ops:sesame@h/x",
    ],
)
def test_no_sentence_repeats_the_password_of_a_url(url: str) -> None:
    with pytest.raises(UsageFault, match=r"ops:\*\*\*@h") as caught:
        read_connection(Given(server=url), {})
    assert not re.search(r"\bse(?!rver)|sa\b|same|℀", caught.value.sentence)


def test_a_url_of_the_environment_is_named_as_such() -> None:
    with pytest.raises(UsageFault, match="QASINO_SERVER: 'gopher' is no protocol"):
        read_connection(Given(), {"QASINO_SERVER": "gopher://x"})
