"""How a client is let in over HTTPS: passwords, tokens, authorities; whose word counts."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import bcrypt
import pexpect
import pytest
import trustme
from command import COMMAND, Ran, clean_environment, run_qasino, start_qasino
from wire import until

from qasino_cli.client import open_client
from qasino_cli.connection import Connection, Given, NamedServer, read_connection
from qasino_cli.console import ExitCode
from qasino_cli.errors import Unreachable, UsageFault
from qasino_server.message import Query
from qasino_server.server import Server

MakeServer = Callable[..., Server]

PASSWORD, TOKEN = "open sesame", "a-token"
QUERY = "select 'open sesame'"


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def home(tmp_path: Path) -> Path:
    place = tmp_path / "home"
    place.mkdir()
    return place


@pytest.fixture
def server(make_server: MakeServer, tmp_path: Path, authority: trustme.CA) -> Server:
    """An HTTPS server that knows ann by her password and bob by his token."""
    made = authority.issue_cert("localhost")
    made.private_key_and_cert_chain_pem.write_to_path(tmp_path / "server.pem")
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    hashed = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4)).decode()
    digest = hashlib.sha256(TOKEN.encode()).hexdigest()
    users = tmp_path / "users.yaml"
    users.write_text(
        f"users:\n  ann: {{password: '{hashed}', roles: [read]}}\n"
        f"  bob: {{tokens: ['sha256:{digest}'], roles: [read]}}\n"
    )
    pem = tmp_path / "server.pem"
    return make_server(https_port=0, tls_cert=pem, tls_key=pem, users_file=users)


@pytest.fixture
def ask(server: Server, tmp_path: Path, home: Path) -> Callable[..., Ran]:
    """Runs a query over HTTPS, with the authority known unless told otherwise."""

    def run(*more: object, user: str = "", **variables: str) -> Ran:
        url = f"https://{user}localhost:{server.ports['https']}"
        known = {"QASINO_CA_FILE": str(tmp_path / "ca.pem"), "HOME": str(home), "NETRC": ""}
        return run_qasino("sql", "-s", url, *more, "-q", "select 1 one", **(known | variables))

    return run


Ask = Callable[..., Ran]


def keep(home: Path, text: str, mode: int = 0o600) -> None:
    (home / ".netrc").write_text(text)
    (home / ".netrc").chmod(mode)


def secret_file(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "secret"
    path.write_text(text)
    return path


def answered(ran: Ran) -> bool:
    return (ran.returncode, ran.stdout, ran.stderr) == (ExitCode.OK, "one\n1\n", "")


# --- Where a password comes from ---------------------------------------------------------------


def test_a_password_comes_from_each_of_its_places(ask: Ask, tmp_path: Path, home: Path) -> None:
    file = secret_file(tmp_path, PASSWORD + "\n")
    assert answered(ask("-u", "ann", "-w", PASSWORD))
    assert answered(ask("-u", "ann", "--password-file", file))
    assert answered(ask(user="ann@", QASINO_PASSWORD=PASSWORD))
    assert answered(ask(user="ann:open%20sesame@"))
    keep(home, f"machine localhost login ann password '{PASSWORD}'\n".replace("'", '"'))
    assert answered(ask("-u", "ann"))
    assert answered(ask())


def test_a_token_comes_from_a_file_or_the_environment(ask: Ask, tmp_path: Path) -> None:
    assert answered(ask("--token-file", secret_file(tmp_path, TOKEN)))
    assert answered(ask(QASINO_TOKEN=TOKEN))


def test_the_configuration_names_files(
    ask: Ask, server: Server, tmp_path: Path, home: Path
) -> None:
    secret_file(tmp_path, PASSWORD)
    (tmp_path / "token").write_text(TOKEN)
    config = tmp_path / "config.yaml"
    url = f"localhost:{server.ports['https']}"
    config.write_text(
        f"servers:\n"
        f"  ann: {{url: 'https://ann@{url}', password_file: {tmp_path}/secret,"
        f" ca_file: {tmp_path}/ca.pem}}\n"
        f"  bob: {{url: 'https://{url}', token_file: {tmp_path}/token, skip_ssl_verify: true}}\n"
    )
    for name in ("ann", "bob"):
        ran = run_qasino(
            "sql",
            "-s",
            name,
            "-q",
            "select 1 one",
            QASINO_CONFIG=str(config),
            HOME=str(home),
            NETRC="",
        )
        assert answered(ran), ran.stderr


def test_netrc_is_read_with_its_rules(ask: Ask, tmp_path: Path, home: Path) -> None:
    keep(home, "machine elsewhere login ann password x\ndefault login eve password x\n")
    assert "asks who you are" in ask().stderr  # eve is not sent where nobody named her
    assert "user ann needs a password" in ask("-u", "ann").stderr
    keep(home, f'machine localhost login ann password "{PASSWORD}"\n', 0o640)
    ran = ask("-u", "ann")
    assert ran.returncode == ExitCode.USAGE
    assert "~/.netrc: cannot be used: ~/.netrc access too permissive" in ran.stderr
    keep(home, f"machine localhost login ann pasword {PASSWORD}\n")
    ran = ask("-u", "ann")
    assert ran.stderr == "~/.netrc: cannot be used: line 1 is not understood\n"
    other = tmp_path / "other"
    other.write_text(f'machine localhost login ann password "{PASSWORD}"\n')
    assert answered(ask("-u", "ann", NETRC=str(other)))


def test_netrc_may_keep_several_users_of_a_host(ask: Ask, home: Path) -> None:
    own = f'machine localhost login ann password "{PASSWORD}"\n'
    other = "machine localhost login bob password x\n"
    keep(home, own + other)
    assert answered(ask(user="ann@"))
    assert answered(ask())  # the first, as curl takes it
    keep(home, other + own)
    assert answered(ask(user="ann@"))
    assert "does not let bob in" in ask().stderr


def test_over_plain_http_netrc_names_nobody_who_was_not_asked_for(
    make_server: MakeServer, tmp_path: Path, home: Path
) -> None:
    keep(home, "machine localhost login ann password x\n", 0o644)
    port = make_server().ports["http"]
    ran = run_qasino("sql", "-s", f"http://localhost:{port}", "-q", "select 1 one", HOME=str(home))
    assert answered(ran), ran.stderr


def test_a_password_is_asked_for_at_a_terminal_and_not_shown(
    server: Server, tmp_path: Path, home: Path
) -> None:
    url = f"https://ann@localhost:{server.ports['https']}"
    variables = {"QASINO_CA_FILE": str(tmp_path / "ca.pem"), "HOME": str(home), "NETRC": ""}
    child = pexpect.spawn(
        sys.executable,
        [*COMMAND[1:], "sql", "-s", url, "--format", "tsv", "-q", "select 1 one"],
        env=clean_environment(**variables),
        encoding="utf-8",
        timeout=20,
    )
    try:
        child.expect_exact("Password of ann: ")
        child.sendline(PASSWORD)
        child.expect(pexpect.EOF)
        assert child.before.split() == ["one", "1"]
    finally:
        child.close(force=True)


@pytest.mark.parametrize("command", [("sql", "-q", "select 1"), ("csvagent", "--directory", ".")])
def test_nobody_is_asked_where_stdin_is_closed_and_no_terminal_is_there(
    command: tuple[str, ...], tmp_path: Path
) -> None:
    ran = subprocess.run(
        [*COMMAND, *command, "-s", "http://ann@127.0.0.1:1"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        preexec_fn=lambda: os.close(0),
        start_new_session=True,
        env=clean_environment(),
    )
    assert ran.returncode == ExitCode.USAGE
    assert ran.stderr.startswith("user ann needs a password; give --password-file")
    assert len(ran.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("options", "password", "who"),
    [
        (("-s", "http://127.0.0.1:1", "-u", "\udcff", "-w", "x"), "", "the user"),
        (("-s", "http://ann@127.0.0.1:1"), "p\udcff", "the password"),
        (("-s", "http://ann@127.0.0.1:1", "-w", "p\udcff"), "", "the password"),
    ],
)
@pytest.mark.parametrize("command", [("sql", "-q", "select 1"), ("csvagent", "--directory", ".")])
def test_a_user_and_a_password_are_utf_8_wherever_they_come_from(
    command: tuple[str, ...], options: tuple[str, ...], password: str, who: str
) -> None:
    ran = run_qasino(*command, *options, QASINO_PASSWORD=password)
    assert ran.returncode == ExitCode.USAGE
    assert ran.stderr == f"{who}: what stands there is not UTF-8\n"


# --- Whose word counts -------------------------------------------------------------------------

ENVIRONMENT = {"QASINO_PASSWORD": "p-env", "QASINO_TOKEN": "t-env", "QASINO_CA_FILE": "ca-env"}
NAMED = {
    "one": NamedServer(url="https://one", token_file="t-file", ca_file="ca-file"),
    "two": NamedServer(url="https://ann@two", password_file="p-file", skip_ssl_verify=True),
    "four": "https://ann:p-url@four",
    "five": NamedServer(url="https://ann:p-url@five"),
    "key": NamedServer(url="zmq://three", curve_key="k-file", curve_server_key="s-file"),
}


@pytest.mark.parametrize(
    ("given", "environ", "found"),
    [
        ({}, {}, {"token_file": "t-file", "ca_file": "ca-file"}),
        ({}, ENVIRONMENT, {"token": "t-env", "ca_file": "ca-env"}),
        ({"username": "bob"}, ENVIRONMENT, {"password": "p-env", "ca_file": "ca-env"}),
        (
            {"token_file": "f", "skip_ssl_verify": True},
            ENVIRONMENT,
            {"token_file": "f", "skip_ssl_verify": True},
        ),
        ({"server": "two"}, {}, {"password_file": "p-file", "skip_ssl_verify": True}),
        ({"server": "two"}, ENVIRONMENT, {"password": "p-env", "ca_file": "ca-env"}),
        ({"server": "two", "password": "p", "ca_file": "c"}, {}, {"password": "p", "ca_file": "c"}),
        (
            {"server": "https://ann:p-url@x", "password_file": "f"},
            ENVIRONMENT,
            {"password_file": "f", "ca_file": "ca-env"},
        ),
        (
            {"server": "https://ann:p-url@x"},
            ENVIRONMENT,
            {"password": "p-url", "ca_file": "ca-env"},
        ),
        ({"server": "four"}, {}, {"password": "p-url"}),
        ({"server": "four"}, ENVIRONMENT, {"password": "p-env", "ca_file": "ca-env"}),
        ({"server": "five"}, ENVIRONMENT, {"password": "p-env", "ca_file": "ca-env"}),
        (
            {"server": "key", "curve_key": "mine"},
            {"QASINO_CURVE_SERVER_KEY": "s-env"},
            {"curve_key": "mine", "curve_server_key": "s-env"},
        ),
        (
            {"server": "key"},
            {"QASINO_CURVE_KEY": "k-env"},
            {"curve_key": "k-env", "curve_server_key": "s-file"},
        ),
    ],
)
def test_the_command_line_counts_before_the_environment_and_that_before_the_configuration(
    given: dict[str, Any], environ: dict[str, str], found: dict[str, Any]
) -> None:
    unread = read_connection(Given(**({"server": "one"} | given)), environ, NAMED).unread
    said = {name: getattr(unread, name) for name in unread.__struct_fields__}
    assert {name: value for name, value in said.items() if value} == found


def test_half_a_pair_of_keys_for_another_server_is_nothing_to_http(server: Server) -> None:
    url, half = f"http://127.0.0.1:{server.ports['http']}", {"QASINO_CURVE_KEY": "/nosuch"}
    ran = run_qasino("sql", "-s", url, "-q", "select 1", **half)
    assert "CURVE" not in ran.stderr
    assert ran.returncode != ExitCode.USAGE
    for more in (["-s", url, "--curve-key", "/nosuch"], ["-s", "zmq://127.0.0.1:1"]):
        ran = run_qasino("sql", *more, "-q", "select 1", **half)
        assert ran.stderr == "--curve-key and --curve-server-key go together: CURVE needs both\n"


def test_the_environments_password_counts_before_that_of_the_usual_server() -> None:
    usual = "https://ann:p-url@x"
    assert read_connection(Given(), ENVIRONMENT, {}, usual).password == "p-env"
    assert read_connection(Given(), {}, {}, usual).password == "p-url"


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        (
            {"username": "a", "password": "x", "password_file": "y"},
            "-w and --password-file contradict each other; give one of them",
        ),
        (
            {"ca_file": "x", "skip_ssl_verify": True},
            "--ca-file and --skip-ssl-verify contradict each other; give one of them",
        ),
        (
            {"username": "a", "token_file": "x"},
            "a token says who you are; leave the user away, or --token-file",
        ),
        ({"password_file": "x"}, "a password needs its user; give -u USER"),
        (
            {"server": "http://x", "ca_file": "x"},
            "--ca-file is for https:// alone; nothing else has certificates",
        ),
        (
            {"server": "http://x", "skip_ssl_verify": True},
            "--skip-ssl-verify is for https:// alone; nothing else has certificates",
        ),
        (
            {"server": None, "hostname": "x", "skip_ssl_verify": True},
            "--skip-ssl-verify is for https:// alone; nothing else has certificates",
        ),
        (
            {"server": "zmq://x", "token_file": "x"},
            "ZeroMQ connections have no users; take https:// to send a user name, or --curve-key",
        ),
        (
            {"server": "both"},
            "config.yaml: servers.both: password_file and token_file contradict each other; give"
            " one of them",
        ),
        (
            {"server": "known"},
            "config.yaml: servers.known: a token says who you are; leave the user away, or"
            " token_file",
        ),
    ],
)
def test_what_would_do_nothing_is_a_usage_error(given: dict[str, Any], sentence: str) -> None:
    named = {
        "both": NamedServer(url="https://x", password_file="x", token_file="y"),
        "known": NamedServer(url="https://ann@x", token_file="y"),
    }
    with pytest.raises(UsageFault) as caught:
        read_connection(Given(**({"server": "https://x"} | given)), {}, named)
    assert caught.value.sentence == sentence


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "a file of a password or a token has one line"),
        ("sec\nret\n", "a file of a password or a token has one line"),
        ("sec\udcffret", "not UTF-8"),
        ("sec ret", "the token has characters that no token has; it goes into a header"),
        (None, "No such file or directory"),
    ],
)
def test_a_secret_that_is_none_is_a_usage_error_that_does_not_repeat_it(
    tmp_path: Path, text: str | None, sentence: str
) -> None:
    path = tmp_path / "secret"
    if text is not None:
        path.write_bytes(text.encode(errors="surrogateescape"))
    ran = run_qasino("sql", "-s", "https://localhost", "--token-file", path, "-q", "x")
    assert ran.returncode == ExitCode.USAGE
    assert ran.stderr.endswith(f"{sentence}\n")
    assert "ret" not in ran.stderr.replace("secret", "")


# --- What is said of those who are not let in --------------------------------------------------


def test_whoever_is_not_let_in_hears_what_to_do(ask: Ask, server: Server) -> None:
    url = f"https://localhost:{server.ports['https']}"
    said = {
        ask(): f"{url} asks who you are: give -u USER (and --password-file, or keep the password"
        " in ~/.netrc) or --token-file\n",
        ask("-u", "ann", "-w", "guess"): f"{url} does not let ann in: the user or the password is"
        " wrong\n",
        ask(QASINO_TOKEN="guess"): f"{url} does not take the token: the token is not known here\n",
    }  # fmt: skip
    for ran, sentence in said.items():
        assert (ran.stderr, ran.returncode) == (sentence, ExitCode.REFUSED)


def test_a_certificate_nobody_vouches_for_is_refused_with_what_would_help(
    ask: Ask, server: Server, tmp_path: Path
) -> None:
    ran = ask("-u", "ann", "-w", PASSWORD, QASINO_CA_FILE="")
    assert ran.returncode == ExitCode.UNREACHABLE
    assert ran.stderr == (
        f"cannot reach https://localhost:{server.ports['https']}: its certificate cannot be"
        " verified: unable to get local issuer certificate; --ca-file names the authority that"
        " signed it, --skip-ssl-verify takes any\n"
    )
    trustme.CA().cert_pem.write_to_path(tmp_path / "other.pem")
    assert "--ca-file names" in ask("--ca-file", tmp_path / "other.pem").stderr
    ran = ask("-u", "ann", "-w", PASSWORD, "--skip-ssl-verify", QASINO_CA_FILE="")
    assert answered(ran)


def test_a_certificate_of_another_name_is_to_be_asked_for_by_that(ask: Ask, server: Server) -> None:
    url = f"https://127.0.0.1:{server.ports['https']}"
    ran = ask("-s", url)
    assert ran.returncode == ExitCode.UNREACHABLE
    assert ran.stderr == (
        f"cannot reach {url}: its certificate cannot be verified: IP address mismatch, certificate"
        " is not valid for '127.0.0.1'; ask for it by a name that the certificate has,"
        " --skip-ssl-verify takes any\n"
    )


def test_a_file_of_authorities_that_is_none_is_a_usage_error(ask: Ask, tmp_path: Path) -> None:
    ran = ask("--ca-file", secret_file(tmp_path, "no certificate"))
    assert ran.returncode == ExitCode.USAGE
    assert ran.stderr.endswith("secret: there is no certificate in PEM in it\n")
    assert ask("--ca-file", "/none").stderr == "/none: No such file or directory\n"


def test_authorities_that_were_renewed_are_read_anew(server: Server, tmp_path: Path) -> None:
    """A client that lives long, csvagent's say, sees its certificates end."""
    known = tmp_path / "ca.pem"
    at = Connection(
        scheme="https",
        host="localhost",
        port=server.ports["https"],
        username="ann",
        password=PASSWORD,
        ca_file=str(known),
    )
    client = open_client(at)
    kept = known.read_bytes()
    try:
        known.unlink()
        with pytest.raises(Unreachable, match=r"^--ca-file .*/ca.pem: no such file or directory$"):
            client.query(Query(sql=QUERY))
        trustme.CA().cert_pem.write_to_path(known)
        with pytest.raises(Unreachable, match="its certificate cannot be verified"):
            client.query(Query(sql=QUERY))
        known.write_bytes(b"-----BEGIN CERTIFICATE-----\n")
        with pytest.raises(Unreachable, match=r"^--ca-file .*/ca.pem: there is no certif"):
            client.query(Query(sql=QUERY))
        known.write_bytes(kept)
        assert client.query(Query(sql=QUERY)).nr_rows == 1
    finally:
        client.close()


# --- The process list --------------------------------------------------------------------------


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="Linux's way of showing it")
@pytest.mark.parametrize(
    "options",
    [
        ["-u", "ann", "-w", "open sesame"],
        ["-u", "ann", "-wopen sesame"],
        ["--username", "ann", "--password=open sesame"],
        ["-s", "https://ann:open%20sesame@localhost"],
        ["-s", "https://ann:se@sesame@localhost"],
        ["-u", "ann", "-kwsesame"],
        ["-u", "ann", "-w", "sesame", "-wsesame too", "-w", "second"],
    ],
)
def test_a_password_leaves_the_process_list(tmp_path: Path, options: list[str]) -> None:
    (tmp_path / "qasino").mkdir()
    os.mkfifo(tmp_path / "qasino" / "config.yaml")  # holds it up once it has read its options
    home = {"XDG_CONFIG_HOME": str(tmp_path)}
    running = start_qasino("sql", "--use-https", *options, "-q", QUERY, **home)
    with running:
        try:

            def shown() -> list[bytes]:
                return Path(f"/proc/{running.pid}/cmdline").read_bytes().split(b"\0")

            until(lambda: shown()[-2:] == [QUERY.encode(), b""])
            until(lambda: b"sesame" not in b" ".join(shown()[:-2]))
            assert shown()[-2:] == [QUERY.encode(), b""], "what is none is left alone"
        finally:
            running.kill()
