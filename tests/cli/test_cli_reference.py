"""Completions and man pages: as the command tree makes them, and of use to real shells."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest
from command import COMMAND, clean_environment, run_qasino, zmq_url
from wire import Wire

from qasino_cli.config import read_config
from qasino_cli.reference.__main__ import TOP, files
from qasino_cli.reference.tree import Command, commands, own_options
from qasino_cli.server_options import read_configuration, read_file
from qasino_server.server import Server
from qasino_server.users import Users
from qasino_server.views import read_views

TREE = commands()
_DEFAULT = re.compile(r"\[default: [^]]*\]")
PAGES = sorted((TOP / "man").glob("*.1"))


def needs(program: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(shutil.which(program) is None, reason=f"needs {program}")


def output(*command: str, cwd: Path | None = None, **variables: str) -> str:
    ran = subprocess.run(
        command,
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=30,
        env=clean_environment(LANG="C.UTF-8", **variables),
    )
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


def test_what_is_in_the_tree_is_what_the_commands_make() -> None:
    for name, text in files().items():
        made_by = f"{name} is stale: python -m qasino_cli.reference"
        assert (TOP / name).read_text(encoding="utf-8") == text, made_by
    kept = {str(p.relative_to(TOP)) for d in ("man", "completions") for p in (TOP / d).iterdir()}
    assert kept == set(files())


def test_names_keep_their_capitals_in_what_apropos_lists() -> None:
    page = (TOP / "man" / "qasino-keys.1").read_text()
    assert "qasino\\-keys \\- make CURVE keys for ZeroMQ\n" in page


@pytest.mark.parametrize("command", TREE, ids=lambda command: str(command.name))
def test_every_option_is_in_its_page_and_in_every_completion(command: Command) -> None:
    page = (TOP / "man" / f"qasino-{command.name}.1").read_text().replace("\\-", "-")
    for shell in ("qasino", "_qasino"):
        text = (TOP / "completions" / shell).read_text()
        for option in command.options:
            for flag in option.flags:
                assert flag in text, (shell, flag)
    fish = (TOP / "completions" / "qasino.fish").read_text()
    for option in command.options:
        for flag in option.flags:
            assert f"\\fB{flag}\\fR" in page
            wanted = f"-l {flag[2:]}" if flag.startswith("--") else f"-s {flag[1:]}"
            assert wanted in fish


@pytest.mark.parametrize("command", TREE, ids=lambda command: str(command.name))
def test_the_help_has_the_defaults_of_the_page(command: Command) -> None:
    """typer adds one of its own where the help has none."""
    helped = " ".join(run_qasino(command.name, "--help").stdout.split())
    told = [" ".join(option.help.split()) for option in command.options]
    assert sorted(_DEFAULT.findall(helped)) == sorted(_DEFAULT.findall("\n".join(told)))


def test_the_options_before_a_command_are_everywhere_too() -> None:
    flags = [flag for option in own_options() for flag in option.flags]
    assert flags == ["-V", "--version", "-h", "--help"]
    page = (TOP / "man" / "qasino.1").read_text().replace("\\-", "-")
    assert all(f"\\fB{flag}\\fR" in page for flag in flags)
    assert "{-V,--version}" in (TOP / "completions" / "_qasino").read_text()
    assert "-s V -l version" in (TOP / "completions" / "qasino.fish").read_text()


def test_choices_and_files_are_found_in_the_help() -> None:
    by_flag = {
        (c.name, flag): option for c in TREE for option in c.options for flag in option.flags
    }
    assert by_flag["sql", "--format"].choices[:2] == ("table", "text")
    assert by_flag["publish", "--on-error"].choices == ("abort", "skip")
    assert "openmetrics" in by_flag["publish", "--data-format"].choices
    assert "sockets" in by_flag["publish", "--only"].choices
    assert by_flag["watch", "--format"].choices == ("tsv", "ndjson")
    assert by_flag["server", "--log-level"].choices[0] == "debug"
    assert by_flag["server", "--db-dir"].completes == "directories"
    assert by_flag["server", "--users-file"].completes == "files"
    assert by_flag["publish", "--table"].completes == "tables"
    assert by_flag["server", "--http-port"].variable == "QASINO_SERVER_HTTP_PORT"


def example(page: str, file: str) -> str:
    """What a file may have in it, as a page's FILES shows it."""
    text = (TOP / "man" / page).read_text()
    found = re.search(rf"^\.I \S*{file}\n.*?^\.nf\n(.*?)^\.fi$", text, re.S | re.M)
    assert found is not None
    return found[1].replace("\\-", "-").replace("\\e", "\\")


def test_the_files_that_the_pages_show_are_read(tmp_path: Path) -> None:
    for name in ("server.yaml", "users.yaml", "views.conf"):
        (tmp_path / name).write_text(example("qasino-server.1", name))
    configuration = read_configuration({}, {}, read_file(tmp_path / "server.yaml"))
    assert configuration.settings.http_port is None
    assert configuration.settings.no_prev
    rights = Users(None, tmp_path / "users.yaml").current().rights
    assert set(rights) == {"ops", "web-agents"}
    (view,) = read_views((tmp_path / "views.conf").read_bytes())
    assert (view.viewname, view.error) == ("full_disks", "")
    config = read_config(example("qasino.1", "config.yaml"), tmp_path / "config.yaml")
    assert set(config.servers) == {"prod", "lab"}
    assert config.theme == "dark"


@needs("mandoc")
@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.name))
def test_mandoc_has_nothing_to_say_about_a_page(page: Path) -> None:
    assert output("mandoc", "-T", "lint", "-W", "warning", str(page)) == ""


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.name))
def test_no_macro_eats_the_quotes_of_what_it_shows(page: Path) -> None:
    macros = [line for line in page.read_text().splitlines() if re.match(r"\.[A-Z]", line)]
    assert [line for line in macros if '"' in line and not line.startswith(".TH ")] == []


@needs("groff")
@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.name))
def test_groff_has_nothing_to_say_about_a_page(page: Path) -> None:
    ran = subprocess.run(
        ["groff", "-man", "-Tutf8", "-ww", "-z", str(page)], capture_output=True, text=True
    )
    assert (ran.returncode, ran.stderr) == (0, "")


# --- Shells ------------------------------------------------------------------------------------


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A directory with this `qasino` in it."""
    program = tmp_path / "qasino"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m qasino_cli.main "$@"\n')
    program.chmod(0o755)
    (tmp_path / "data.csv").write_text("a\n1\n")
    return tmp_path


Complete = Callable[..., set[str]]

BASH = r"""
source "$1"; shift
COMP_LINE="$*"; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1))
_qasino
printf '%s\n' "${COMPREPLY[@]}"
"""
ZSH = r"""
zmodload zsh/zpty
zpty z zsh -f -i
zpty -w z "PS1=; fpath=($1 \$fpath); autoload -Uz compinit; compinit -u -d $3"
zpty -w z "zstyle ':completion:*' list-prompt ''; setopt no_list_beep"
zpty -w z "LISTMAX=10000; bindkey '^I' list-choices"
zpty -w z "print READY"
zpty -r z out '*READY*READY*'
zpty -w -n z "$2"$'\t'
zpty -r z out "*$4*"
print -r -- "$out"
"""


def of_bash(home: Path, line: str, **variables: str) -> set[str]:
    words = line.split(" ")
    script = str(TOP / "completions" / "qasino")
    variables = {"PATH": f"{home}:{os.environ['PATH']}"} | variables
    found = subprocess.run(
        ["bash", "--norc", "-c", BASH, "bash", script, *words],
        capture_output=True,
        text=True,
        cwd=home,
        env=clean_environment(**variables),
        timeout=30,
    )
    return set(found.stdout.split("\n")) - {""}


def of_fish(home: Path, line: str, **variables: str) -> set[str]:
    script = TOP / "completions" / "qasino.fish"
    variables = {"PATH": f"{home}:{os.environ['PATH']}", "HOME": str(home)} | variables
    found = subprocess.run(
        ["fish", "--no-config", "-c", f"source {script}; complete -C '{line}'"],
        capture_output=True,
        text=True,
        cwd=home,
        env=clean_environment(**variables),
        timeout=30,
    )
    assert found.stderr == ""
    return {line.split("\t")[0] for line in found.stdout.splitlines()}


def of_zsh(home: Path, line: str, last: str, **variables: str) -> str:
    """What it shows, up to the word that comes last.

    All tests of a run keep which functions it has, as people do: to look through them is 0.5 s.
    """
    functions = str(home.parent / "zcompdump")
    variables = {"PATH": f"{home}:{os.environ['PATH']}", "HOME": str(home)} | variables
    shown = output(
        *("zsh", "-f", "-c", ZSH, "zsh", str(TOP / "completions"), line, functions, last),
        cwd=home,
        **variables,
    )
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown)


def offers(shell: str, home: Path, line: str, among: set[str], **variables: str) -> set[str]:
    """Which of these words a shell completes the line by.

    The longest of them has to be among what it completes by: zsh's screen is read up to it.
    """
    if shutil.which(shell) is None:
        pytest.skip(f"needs {shell}")
    if shell != "zsh":
        found = {"bash": of_bash, "fish": of_fish}[shell](home, line, **variables)
        return {word for word in found if word in among}
    shown = of_zsh(home, line, max(among, key=len), **variables)
    return set(re.findall(r"[\w.-]+", shown.removeprefix(line))) & among


CASES = [
    ("qasino ", {"server", "sql", "publish", "watch", "csvagent", "keys"}),
    ("qasino pub", {"publish"}),
    ("qasino -", {"-V", "--version"}),
    ("qasino sql --fo", {"--format"}),
    ("qasino sql --format nd", {"ndjson"}),
    ("qasino publish --on-error s", {"skip"}),
    ("qasino watch --unt", {"--until"}),
    ("qasino publish --only m", {"mounts"}),
]


@needs("bash")
@pytest.mark.parametrize(("line", "wanted"), CASES)
def test_bash_completes(home: Path, line: str, wanted: set[str]) -> None:
    assert wanted <= of_bash(home, line)


@needs("bash")
def test_bash_completes_files_and_values_behind_an_equals_sign(home: Path) -> None:
    assert of_bash(home, "qasino publish da") == {"data.csv"}
    assert of_bash(home, "qasino sql --format = nd") == {"ndjson"}


@needs("fish")
@pytest.mark.parametrize(("line", "wanted"), CASES)
def test_fish_completes(home: Path, line: str, wanted: set[str]) -> None:
    assert wanted <= of_fish(home, line)


@needs("zsh")
@pytest.mark.parametrize(("line", "wanted"), CASES)
def test_zsh_completes(home: Path, line: str, wanted: set[str]) -> None:
    shown = of_zsh(home, line, max(wanted))
    for word in wanted:
        assert word in shown


@pytest.mark.parametrize("shell", ["bash", "fish", "zsh"])
@pytest.mark.parametrize("before", ["processes,", "load,users,"])
def test_the_last_of_a_list_is_completed(home: Path, shell: str, before: str) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"needs {shell}")
    line = f"qasino publish --only {before}m"
    if shell == "zsh":
        assert "mounts" in of_zsh(home, line, "mounts")
    else:
        assert {"bash": of_bash, "fish": of_fish}[shell](home, line) == {f"{before}mounts"}
    if shell == "bash":
        assert of_bash(home, f"qasino publish --only = {before}") > {f"{before}mounts"}


@pytest.mark.parametrize("shell", ["bash", "fish"])
def test_what_a_list_has_already_is_not_completed_again(home: Path, shell: str) -> None:
    line = "qasino publish --only load,users,"
    left = {"load,users," + name for name in ("processes", "mounts", "interfaces", "sockets")}
    if shutil.which(shell) is None:
        pytest.skip(f"needs {shell}")
    assert {"bash": of_bash, "fish": of_fish}[shell](home, line) == left


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_names_of_key_pairs_are_paths(home: Path, shell: str) -> None:
    assert offers(shell, home, "qasino keys da", {"data.csv"}) == {"data.csv"}


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_servers_are_those_of_the_configuration(home: Path, shell: str) -> None:
    config = home / "config.yaml"
    config.write_text('servers: {lab: "zmq://lab", "lab-two": "zmq://two", "la$(id)": "zmq://x"}\n')
    named = {"lab", "lab-two"}
    for command in ("sql -s", "publish --server", "watch -s", "csvagent -s"):
        line = f"qasino {command} la"
        assert offers(shell, home, line, named, QASINO_CONFIG=str(config)) == named
    here = {"QASINO_CONFIG": str(config)}
    assert run_qasino("__complete", "servers", **here).stdout == "lab\nlab-two\n"
    config.write_text("nosuch: 1\n")
    ran = run_qasino("__complete", "servers", **here)
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "")


@needs("zsh")
@pytest.mark.parametrize(
    ("line", "word"),
    [("qasino sql --format=nd", "ndjson"), ("qasino publish --on-error=s", "skip")],
)
def test_zsh_completes_values_behind_an_equals_sign(home: Path, line: str, word: str) -> None:
    assert word in of_zsh(home, line, word)


@pytest.mark.parametrize("shell", ["bash", "fish", "zsh"])
def test_behind_a_value_in_the_word_of_its_option_more_is_completed(home: Path, shell: str) -> None:
    assert offers(shell, home, "qasino sql -slab --fo", {"--format"}) == {"--format"}
    assert offers(shell, home, "qasino sql -kslab --fo", {"--format"}) == {"--format"}
    assert offers(shell, home, "qasino sql -s lab --fo", {"--format"}) == {"--format"}


@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_a_shell_finds_no_fault_in_its_file(shell: str) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"needs {shell}")
    name = {"bash": "qasino", "zsh": "_qasino"}[shell]
    assert output(shell, "-n", str(TOP / "completions" / name)) == ""
    assert (TOP / "completions" / "_qasino").read_text().startswith("#compdef qasino\n")


@pytest.mark.parametrize("command", ["sql", "publish", "watch", "csvagent"])
def test_the_variable_of_a_token_is_not_said_to_name_a_file(command: str) -> None:
    lines = (TOP / "man" / f"qasino-{command}.1").read_text().splitlines()
    assert lines[lines.index(".B QASINO_TOKEN") + 1].startswith("The token itself")


# --- Names of tables -----------------------------------------------------------------------------


def test_tables_are_told_by_the_server_and_kept(server: Server, wire: Wire, home: Path) -> None:
    for name in ("disks", "hosts"):
        table = {"tablename": name, "column_names": ["a"], "column_types": ["int"], "rows": []}
        wire.http_post("add_table_data", {"identity": "web-1", "table": table})
    server.rotate()
    here = {"QASINO_SERVER": zmq_url(server), "XDG_CACHE_HOME": str(home / "cache")}
    ran = run_qasino("__complete", "tables", "d", **here)
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "disks\n", "")
    assert {"disks", "hosts"} <= of_bash(home, "qasino publish --table ", **here)
    server.stop()
    assert run_qasino("__complete", "tables", "h", **here).stdout == "hosts\n"


@pytest.fixture
def another(
    make_server: Callable[..., Server], wire_to: Callable[[Server], Wire], tmp_path: Path
) -> Server:
    """A server that has a table of its own, `elsewhere`."""
    server = make_server(db_dir=tmp_path / "other", static_db=tmp_path / "other.db")
    wire_to(server).publish("web-1", "elsewhere", ["a"], ["int"], [])
    server.rotate()
    return server


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
@pytest.mark.parametrize("program", ["./qasino", "~/qasino"])
def test_the_program_that_is_typed_is_asked(
    server: Server, wire: Wire, home: Path, shell: str, program: str
) -> None:
    wire.publish("web-1", "disks", ["a"], ["int"], [])
    server.rotate()
    here = {"QASINO_SERVER": zmq_url(server), "XDG_CACHE_HOME": str(home / "cache")}
    beside = home / "bin"
    beside.mkdir()
    (beside / "qasino").write_text("#!/bin/sh\necho dislikes\n")
    (beside / "qasino").chmod(0o755)
    path = {"PATH": f"{beside}:{os.environ['PATH']}", "HOME": str(home)}
    line = f"{program} publish --drop dis"
    assert offers(shell, home, line, {"disks"}, **here, **path) == {"disks"}


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
@pytest.mark.parametrize("asking", ["publish --drop", "publish --table", "csvagent -T"])
def test_a_shell_offers_who_publishes_no_views(
    server: Server, wire: Wire, home: Path, shell: str, asking: str
) -> None:
    wire.publish("web-1", "qz_disks_of_the_fleet", ["a"], ["int"], [])
    server.rotate()
    view = "create view qa_view as select * from qz_disks_of_the_fleet"
    server.settings.views_file.write_text(f"- viewname: qa_view\n  view: {view}\n")
    assert wire.rows("select * from qa_view") == []
    here = {"QASINO_SERVER": zmq_url(server), "XDG_CACHE_HOME": str(home / "cache")}
    names = {"qz_disks_of_the_fleet", "qa_view", "qasino_server_info"}
    found = offers(shell, home, f"qasino {asking} q", names, **here)
    assert found == {"qz_disks_of_the_fleet"}


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_tables_are_those_of_the_server_that_the_line_names(
    server: Server, another: Server, home: Path, shell: str
) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"needs {shell}")
    here = {"QASINO_SERVER": zmq_url(server), "XDG_CACHE_HOME": str(home / "cache")}
    line = f"qasino publish -s {zmq_url(another)} --drop els"
    if shell == "zsh":
        assert "elsewhere" in of_zsh(home, line, "elsewhere", **here)
    else:
        assert "elsewhere" in {"bash": of_bash, "fish": of_fish}[shell](home, line, **here)


def test_who_publishes_or_drops_is_offered_no_views(server: Server, wire: Wire, home: Path) -> None:
    wire.publish("web-1", "disks", ["a"], ["int"], [])
    server.rotate()
    view = "create view disks_v as select * from disks"
    server.settings.views_file.write_text(f"- viewname: disks_v\n  view: {view}\n")
    assert wire.rows("select * from disks_v") == []
    here = {"QASINO_SERVER": zmq_url(server), "XDG_CACHE_HOME": str(home / "cache")}

    def offered(line: str) -> str:
        return run_qasino("__complete", "tables", "disks", line, **here).stdout

    assert offered("qasino watch ") == "disks\ndisks_v\n"
    assert offered("qasino publish --drop ") == offered("qasino csvagent -T ") == "disks\n"


def test_who_publishes_is_not_offered_the_tables_of_the_servers_own(
    server: Server, home: Path
) -> None:
    here = {"QASINO_SERVER": zmq_url(server), "XDG_CACHE_HOME": str(home / "cache")}

    def offered(line: str) -> str:
        return run_qasino("__complete", "tables", "qasino_server_i", line, **here).stdout

    assert offered("qasino watch ") == "qasino_server_info\n"
    assert offered("qasino publish --drop ") == offered("qasino csvagent -T ") == ""


@pytest.mark.parametrize(
    "options",
    ["--server={url}", "-H 127.0.0.1 -p {port}", "--use-zmq --hostname 127.0.0.1 --port {port}"],
)
def test_a_server_may_be_named_by_any_option(
    server: Server, another: Server, home: Path, options: str
) -> None:
    named = options.format(url=zmq_url(another), port=another.ports["zmq"])
    here = {"QASINO_SERVER": zmq_url(server), "XDG_CACHE_HOME": str(home / "cache")}
    for quote in ("", '"'):
        line = f"qasino watch {named} --drop {quote}els"
        assert run_qasino("__complete", "tables", "els", line, **here).stdout == "elsewhere\n"
        assert run_qasino("__complete", "tables", "els", **here).stdout == ""


def test_another_config_file_names_other_tables(
    server: Server, another: Server, home: Path
) -> None:
    config = home / "config.yaml"
    here = {"QASINO_CONFIG": str(config), "XDG_CACHE_HOME": str(home / "cache")}
    told = []
    for asked in (server, another):
        config.write_text(f"server: {zmq_url(asked)}\n# {len(told)}")
        told.append(run_qasino("__complete", "tables", "elsewhere", **here).stdout)
    assert told == ["", "elsewhere\n"]


def test_without_a_server_nothing_is_told_and_nothing_said(home: Path) -> None:
    for server in ("zmq://127.0.0.1:1", "ftp://x", "a b"):
        here = {"QASINO_SERVER": server, "XDG_CACHE_HOME": str(home / "cache")}
        ran = run_qasino("__complete", "tables", **here)
        assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "")


def test_whatever_goes_wrong_the_known_names_are_told(server: Server, home: Path) -> None:
    here = {"QASINO_SERVER": zmq_url(server), "XDG_CACHE_HOME": str(home / "cache")}
    told = run_qasino("__complete", "tables", **here).stdout
    assert "qasino_server_info\n" in told
    (kept,) = (home / "cache" / "qasino").iterdir()
    os.utime(kept, (0, 0))  # asked for anew
    broken = home / "broken.yaml"
    broken.write_text("nosuch: 1\n")
    for more in ({"QASINO_CONFIG": str(broken)}, {"XDG_CACHE_HOME": "/dev/null"}):
        ran = run_qasino("__complete", "tables", **(here | more))
        assert (ran.returncode, ran.stdout, ran.stderr) == (0, told, "")


def test_only_legal_names_reach_the_shell(server: Server, home: Path) -> None:
    here = {"QASINO_SERVER": zmq_url(server), "XDG_CACHE_HOME": str(home / "cache")}
    run_qasino("__complete", "tables", **here)
    (kept,) = (home / "cache" / "qasino").iterdir()
    kept.write_text("good\n$(touch /tmp/x)\n`x`\na b\n")
    assert run_qasino("__complete", "tables", **here).stdout == "good\n"


@pytest.mark.parametrize("where", ["nowhere", "/dev/full"])
def test_names_that_nobody_takes_are_no_error(home: Path, where: str) -> None:
    config = home / "config.yaml"
    config.write_text("servers: {lab: zmq://lab}\n")
    with ExitStack() as stack:
        if where == "nowhere":
            reads, out = os.pipe()
            os.close(reads)
        else:
            out = os.open(where, os.O_WRONLY)
        stack.callback(os.close, out)
        ran = subprocess.run(
            [*COMMAND, "__complete", "servers"],
            stdout=out,
            stderr=subprocess.PIPE,
            env=clean_environment(QASINO_CONFIG=str(config)),
            timeout=20,
        )
    assert (ran.returncode, ran.stderr) == (0, b"")


def test_names_that_the_clock_was_ahead_of_are_asked_for_anew(server: Server, home: Path) -> None:
    here = {"QASINO_SERVER": zmq_url(server), "XDG_CACHE_HOME": str(home / "cache")}
    told = run_qasino("__complete", "tables", **here).stdout
    (kept,) = (home / "cache" / "qasino").iterdir()
    kept.write_text("of_then\n")
    os.utime(kept, (time.time() + 3600,) * 2)
    assert run_qasino("__complete", "tables", **here).stdout == told
