"""The secrets of a connection, where they are kept."""

from __future__ import annotations

from pathlib import Path

import pytest

from qasino_cli.connection import Connection, Given, read_connection
from qasino_cli.credentials import unlock
from qasino_cli.errors import UsageFault


def unlocked(server: str, **environ: str) -> Connection:
    return unlock(read_connection(Given(server=server), environ), environ, None)


@pytest.fixture
def netrc(tmp_path: Path) -> Path:
    return tmp_path / "netrc"


@pytest.mark.parametrize("text", ["\n", "\n\n", "\nsecret\n"])
def test_a_file_that_begins_with_an_empty_line_holds_no_secret(tmp_path: Path, text: str) -> None:
    path = tmp_path / "secret"
    path.write_text(text)
    connection = read_connection(Given(server="https://ann@stats", password_file=str(path)), {})
    with pytest.raises(UsageFault, match="a file of a password or a token has one line"):
        unlock(connection, {}, None)


def test_an_entry_of_netrc_without_a_password_is_none(netrc: Path) -> None:
    netrc.write_text("machine stats login ann\nmachine stats login ann password p\n")
    assert unlocked("https://ann@stats", NETRC=str(netrc)).password == "p"
    netrc.write_text("machine stats login ann\n")
    assert unlocked("https://stats", NETRC=str(netrc)).username is None
    with pytest.raises(UsageFault, match="user ann needs a password"):
        unlocked("https://ann@stats", NETRC=str(netrc))


def test_netrcs_default_has_the_password_of_its_user_on_any_host_and_names_nobody(
    netrc: Path,
) -> None:
    netrc.write_text("machine other login ann password q\ndefault login ann password p\n")
    assert unlocked("https://ann@stats", NETRC=str(netrc)).password == "p"
    assert unlocked("https://ann@other", NETRC=str(netrc)).password == "q"
    assert unlocked("https://stats", NETRC=str(netrc)).username is None


def test_a_netrc_that_is_no_text_is_a_usage_error(netrc: Path) -> None:
    netrc.write_bytes(b"machine stats login ann password \xff\n")
    with pytest.raises(UsageFault) as caught:
        unlocked("https://ann@stats", NETRC=str(netrc))
    assert caught.value.sentence == f"{netrc}: cannot be used: not UTF-8"


def test_authorities_for_another_server_are_nothing_to_plain_http() -> None:
    assert unlocked("http://stats", QASINO_CA_FILE="/nosuch").host == "stats"
    with pytest.raises(UsageFault, match="/nosuch: No such file or directory"):
        unlocked("https://stats", QASINO_CA_FILE="/nosuch", NETRC="/dev/null")
