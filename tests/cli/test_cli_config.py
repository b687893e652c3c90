"""The configuration file: what it may say, and what is said about what it may not."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from command import clean_environment, run_qasino, zmq_url
from hypothesis import example, given
from hypothesis import strategies as st

from qasino_cli import places
from qasino_cli.config import Config, load_config, read_config
from qasino_cli.connection import Given, read_connection
from qasino_cli.errors import UsageFault
from qasino_cli.sql.repl.saved import SavedQueries
from qasino_server.errors import StartError
from qasino_server.server import Server
from qasino_server.settings import default_static_db

FILE = Path("config.yaml")


def test_every_key_has_its_place() -> None:
    text = """\
servers: {prod: 'https://ops@stats', lab: 'zmq://lab:7'}
server: prod
format: csv
keys: vi
colors: never
theme: light
pager: ''
"""
    assert read_config(text, FILE) == Config(
        servers={"prod": "https://ops@stats", "lab": "zmq://lab:7"},
        server="prod",
        format="csv",
        keys="vi",
        colors="never",
        theme="light",
        pager="",
    )


def test_an_empty_file_says_nothing() -> None:
    assert read_config("# nothing yet\n", FILE) == Config()


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (
            "color: never",
            "config.yaml: 'color' is not a key; the keys are servers, server, format, keys, colors,"
            " theme, pager",
        ),
        ("7: never", "config.yaml: 7 is not a key; the keys are servers, "),
        ("keys: nano", "keys: Invalid enum value 'nano'; there are emacs, vi"),
        ("theme: 7", "theme: Expected `str`, got `int`; there are auto, dark, light"),
        ("pager: 7", "pager: Expected `str | null`, got `int`"),
        (
            "servers: {a: 'http://a', b: 7}",
            "config.yaml: servers.b: Expected `str | object`, got `int`",
        ),
        (
            "servers: {b: {url: 7}}",
            "config.yaml: servers.b: url: Expected `str`, got `int`",
        ),
        ("servers: {b: {}}", "config.yaml: servers.b: Object missing required field `url`"),
        (
            "servers: {a: {uri: x}}",
            "config.yaml: servers.a: 'uri' is not a key; the keys are url, password_file,",
        ),
        ("servers: {a: {servers: {}}}", "servers.a: 'servers' is not a key; the keys are url, "),
        ("- a", "Expected `object`, got `array`"),
        ("a: [", "config.yaml: not YAML"),
        ("server: 2001-13-01", "config.yaml: not YAML: month must be in 1..12"),
        ('server: "\\ud800"', 'config.yaml: "\\ud800" is half of a surrogate pair'),
    ],
)
def test_a_mistake_is_named_with_its_file(text: str, sentence: str) -> None:
    with pytest.raises(UsageFault) as caught:
        read_config(text, FILE)
    assert sentence in caught.value.sentence
    assert "config.yaml" in caught.value.sentence


def test_who_has_no_home_has_no_configuration(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "~")  # what is found where the system knows none
    for variable in ("XDG_CONFIG_HOME", "QASINO_CONFIG"):
        monkeypatch.delenv(variable, raising=False)
    assert load_config() == Config()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_who_may_not_look_into_the_home_that_was_kept_has_no_configuration() -> None:
    """As with `setpriv` or `su -m`; a file that is named is to be read all the same."""
    loads = (
        "import os;"
        "from qasino_cli.config import load_config;"
        "from qasino_cli.connection import Connection;"
        "from qasino_cli.credentials import unlock;"
        "os.setresuid(65534, 65534, 65534);"
        "print(load_config().server, unlock(Connection(scheme='http'), {}, None).password)"
    )
    with tempfile.TemporaryDirectory() as home:  # which nobody else may look into
        variables = clean_environment(HOME=home, XDG_CONFIG_HOME="")
        ran = subprocess.run([sys.executable, "-c", loads], env=variables, capture_output=True)
        assert (ran.stdout, ran.stderr) == (b"None None\n", b"")
        variables["QASINO_CONFIG"] = f"{home}/config.yaml"
        ran = subprocess.run([sys.executable, "-c", loads], env=variables, capture_output=True)
    assert b"config.yaml: cannot be read: Permission denied" in ran.stderr


def test_who_has_no_home_is_asked_where_static_tables_are_kept(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HOME", "~")
    monkeypatch.setenv("XDG_STATE_HOME", "relative/counts/as/unset")
    with pytest.raises(StartError, match="--static-db"):
        default_static_db()
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert default_static_db() == tmp_path / "qasino/static.db"


def test_the_places_are_those_of_the_xdg_specification(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    for variable in ("XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME", "QASINO_CONFIG"):
        monkeypatch.delenv(variable, raising=False)
    assert places.config_file() == tmp_path / ".config/qasino/config.yaml"
    assert places.history_file() == tmp_path / ".local/state/qasino/history"
    monkeypatch.setenv("XDG_CACHE_HOME", "relative/counts/as/unset")
    assert places.cache_directory() == tmp_path / ".cache/qasino"
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    assert places.history_file() == tmp_path / "state/qasino/history"
    monkeypatch.setenv("QASINO_CONFIG", str(tmp_path / "my.yaml"))
    assert places.config_file() == tmp_path / "my.yaml"


def test_a_file_of_saved_queries_that_is_none_is_said_to_be(tmp_path: Path) -> None:
    file = tmp_path / "queries.yaml"
    for text in ("it: 2001-13-01", "it: [", "it: 7"):
        file.write_text(text)
        saved = SavedQueries(file)
        assert saved.names() == []
        with pytest.raises(UsageFault, match=r"queries\.yaml: "):
            saved.get("it")


def test_saved_queries_that_cannot_be_read_are_told_without_pythons_words(tmp_path: Path) -> None:
    latin = tmp_path / "queries.yaml"
    latin.write_bytes(b"it: select 'caf\xe9'\n")
    for named, why in ((tmp_path, "cannot be read: Is a directory"), (latin, "not UTF-8")):
        with pytest.raises(UsageFault) as caught:
            SavedQueries(named).get("it")
        assert caught.value.sentence == f"{named}: {why}"


def test_saved_queries_have_the_names_that_stand_in_their_file(tmp_path: Path) -> None:
    """What YAML takes for a truth, a number or nothing is a name there."""
    file = tmp_path / "queries.yaml"
    file.write_text("{on: a, 1.10: b, 010: c, null: d, 2001-01-01: e, <<: {f: g}}")
    saved = SavedQueries(file)
    names = {"on": "a", "1.10": "b", "010": "c", "null": "d", "2001-01-01": "e", "f": "g"}
    assert saved.all() == names
    saved.save("more", "h")
    assert saved.all() == names | {"more": "h"}
    file.write_text("# mine\non: a\n1.10: b\n")
    saved.save("on", "i")
    saved.forget("1.10")
    assert file.read_text() == "# mine\n'on': i\n"
    for text in ("on: a\n'on': b", "<<: {on: a}"):
        file.write_text(text)
        with pytest.raises(
            UsageFault, match=r"queries\.yaml: (not YAML: a key is there|must have)"
        ):
            saved.all()


def test_no_file_is_no_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("QASINO_CONFIG", raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    assert load_config() == Config()


def test_a_file_that_cannot_be_read_is_told_without_pythons_words(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    latin = tmp_path / "latin.yaml"
    latin.write_bytes(b"pager: caf\xe9\n")
    for named, why in ((tmp_path, "cannot be read: Is a directory"), (latin, "not UTF-8")):
        monkeypatch.setenv("QASINO_CONFIG", str(named))
        with pytest.raises(UsageFault) as caught:
            load_config()
        assert caught.value.sentence == f"{named}: {why}"


def test_a_file_that_is_named_and_not_there_is_a_usage_error(
    server: Server, tmp_path: Path
) -> None:
    """It was passed over, and another server asked than was meant."""
    named = {"QASINO_CONFIG": str(tmp_path / "none.yaml"), "QASINO_SERVER": zmq_url(server)}
    sentence = f"QASINO_CONFIG: {tmp_path / 'none.yaml'}: No such file or directory\n"
    (tmp_path / "t.csv").write_text("a\n1\n")
    for command in (("sql", "-q", "select 1"), ("publish", tmp_path / "t.csv")):
        ran = run_qasino(*command, **named)
        assert (ran.returncode, ran.stdout, ran.stderr) == (2, "", sentence)


SERVERS = {"prod": "http://stats:7", "localhost": "http://elsewhere"}


@pytest.mark.parametrize(
    ("given", "environ", "usual", "url"),
    [
        (Given(server="prod"), {}, None, "http://stats:7"),
        (Given(), {"QASINO_SERVER": "prod"}, None, "http://stats:7"),
        (Given(), {}, "prod", "http://stats:7"),
        (Given(), {}, "zmq://lab:9", "zmq://lab:9"),
        (Given(server="localhost"), {}, None, "http://elsewhere:15597"),
        (Given(hostname="other"), {}, "prod", "zmq://other:15598"),
        (Given(), {"QASINO_SERVER": "zmq://env"}, "prod", "zmq://env:15598"),
    ],
)
def test_a_configured_name_stands_for_its_url(
    given: Given, environ: dict[str, str], usual: str | None, url: str
) -> None:
    assert read_connection(given, environ, SERVERS, usual).url == url


def test_a_port_must_agree_with_the_configured_url() -> None:
    with pytest.raises(UsageFault, match="the port is 7"):
        read_connection(Given(server="prod", port=8), {}, SERVERS)


def test_a_bad_url_in_the_file_is_said_to_be_there() -> None:
    with pytest.raises(UsageFault, match=r"config\.yaml: servers\.prod: 'ftp'"):
        read_connection(Given(server="prod"), {}, {"prod": "ftp://stats"})


def test_qasino_sql_takes_the_server_from_the_file(server: Server, tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text(f"servers: {{mine: '{zmq_url(server)}'}}\nserver: mine\n")
    ran = run_qasino("sql", "-q", "select 1 one", QASINO_CONFIG=str(file))
    assert (ran.returncode, ran.stdout) == (0, "one\n1\n")
    file.write_text("sever: mine\n")
    ran = run_qasino("sql", "-q", "select 1 one", QASINO_CONFIG=str(file))
    assert ran.returncode == 2
    assert "'sever' is not a key; the keys are servers, server, " in ran.stderr


def test_what_a_person_wrote_around_the_saved_queries_stays(tmp_path: Path) -> None:
    """All of it was written anew, and a link to the file was replaced by another file."""
    file, link = tmp_path / "dots.yaml", tmp_path / "queries.yaml"
    file.write_text(
        "# shared\ntop: select 1   # by size\n\n# long\nlong: |\n  select 1,\n    2\n\nlast: 'a'"
    )
    file.chmod(0o644)
    link.symlink_to(file)
    saved = SavedQueries(link)
    saved.save("new", "select 2\nfrom x")
    saved.save("top", "select 3")
    saved.save("long", "select 4")
    saved.forget("last")
    assert file.read_text() == (
        "# shared\ntop: select 3   # by size\n\n# long\nlong: select 4\n"
        "new: |-\n  select 2\n  from x\n"
    )
    assert (link.is_symlink(), file.stat().st_mode & 0o777) == (True, 0o644)
    assert [path.name for path in tmp_path.iterdir() if path.name[0] == "."] == []


def test_a_file_of_saved_queries_in_another_form_is_written_anew(tmp_path: Path) -> None:
    file = tmp_path / "queries.yaml"
    file.write_text("{a: b, c: d}")
    SavedQueries(file).save("e", "f")
    assert file.read_text() == "a: b\nc: d\ne: f\n"


@example(start={"a": "\x85", "b": "\u2028x\n\u2029", "c": " \n \ufeff"}, changes=[])
@given(
    start=st.dictionaries(st.from_regex(r"[a-z0-9_.-]{1,6}", fullmatch=True), st.text(max_size=20)),
    changes=st.lists(
        st.tuples(st.from_regex(r"[a-z0-9_.-]{1,3}", fullmatch=True), st.none() | st.text()),
        max_size=6,
    ),
)
def test_whatever_is_saved_and_forgotten_the_others_stay(
    start: dict[str, str], changes: list[tuple[str, str | None]]
) -> None:
    with tempfile.TemporaryDirectory() as place:
        saved, wanted = SavedQueries(Path(place, "q.yaml")), dict(start)
        for name, sql in (*start.items(), *changes):
            if sql is not None:
                saved.save(name, sql)
                wanted[name] = sql
            elif name in wanted:
                saved.forget(name)
                del wanted[name]
            assert name in saved.all() or sql is None
        assert saved.all() == wanted
