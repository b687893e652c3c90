"""The ways of `qasino publish`: pipes, commands, this machine, once and again, as processes."""

from __future__ import annotations

import csv
import gzip
import json
import os
import re
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from command import COMMAND, clean_environment, run_qasino, start_qasino, zmq_url
from wire import Wire, until

from qasino_cli.console import ExitCode
from qasino_server.server import Server

DF = """\
Filesystem 1024-blocks   Used Available Capacity Mounted on
/dev/vda1       263174  41241    208490      17% /
tmpfs             1234      0      1234       0% /dev/shm
"""


def asked(server: Server, wire: Wire, sql: str) -> list[list[str]]:
    """The rows of a query once what was published is in the snapshot."""
    server.rotate()
    rows: list[list[str]] = json.loads(wire.http_get({"op": "query", "sql": sql})[2])["table"][
        "rows"
    ]
    return rows


def open_rows(wire: Wire, sql: str) -> list[list[Any]]:
    """The rows of a query to the generation being collected; none where there is no table."""
    message = {"sql": sql, "typed": True, "use_write_db": True}
    answer = json.loads(wire.http_post("query", message)[2])
    rows: list[list[Any]] = answer["table"]["rows"] if "table" in answer else []
    return rows


def replace_text(file: Path, text: str) -> None:
    """Another text in the file, at one stroke: nobody reads half of it."""
    new = file.with_suffix(".new")
    new.write_text(text)
    os.replace(new, file)


@pytest.fixture
def running() -> Iterator[Callable[..., Any]]:
    """Starts `qasino ..` in the background; what still runs at the end is killed."""
    with ExitStack() as stack:

        def start(*args: object) -> Any:
            process = stack.enter_context(start_qasino(*args))
            stack.callback(process.kill)
            return process

        yield start


def test_the_output_of_df_is_a_table(server: Server, wire: Wire, url: str) -> None:
    ran = run_qasino("publish", "-s", url, "--table", "disks", "-I", "web-1", stdin=DF)
    assert ran.returncode == ExitCode.OK
    assert ran.stderr == (
        "standard input: columns renamed: '1024-blocks' -> _1024_blocks,"
        " 'Mounted on' -> Mounted_on\n"
        "published disks: 2 rows as web-1, visible in the next generation\n"
    )
    sql = "select Mounted_on, _1024_blocks + 1 from disks order by 1"
    assert asked(server, wire, sql) == [["/", "263175"], ["/dev/shm", "1235"]]


@pytest.mark.parametrize("form", ["csv", "tsv", "json", "ndjson"])
def test_what_sql_writes_publish_reads_back(
    server: Server, wire: Wire, form: str, url: str
) -> None:
    sql = (
        "select 1 i, 2.5 r, 'x' || char(10) || '\"日本,' t, null n union all select 2, 3.5, 'y', 7"
    )
    written = run_qasino("sql", "-s", url, "--format", form, "-q", sql).stdout
    ran = run_qasino("publish", "-s", url, "--table", "copy", stdin=written)
    assert ran.returncode == ExitCode.OK, ran.stderr
    server.rotate()
    again = run_qasino("sql", "-s", url, "--format", form, "-q", "select * from copy order by i")
    assert again.stdout == written


@pytest.mark.parametrize("form", ["csv", "tsv", "json", "ndjson"])
def test_what_sql_writes_of_one_column_publish_reads_back(
    server: Server, wire: Wire, form: str
) -> None:
    sql = "select 'x' a, 1 n union all select null, 2 union all select '', 3 order by n"
    written = run_qasino(
        *("sql", "-s", zmq_url(server), "--format", form, "-q", f"select a from ({sql})")
    ).stdout
    ran = run_qasino("publish", "-s", zmq_url(server), "--table", "copy", stdin=written)
    assert ran.returncode == ExitCode.OK, ran.stderr
    assert open_rows(wire, "select a from copy") == [["x"], [None], [""]]


def test_a_dry_run_shows_the_table_and_why_and_needs_no_server() -> None:
    ran = run_qasino("publish", "--table", "disks", "-I", "me", "--dry-run", stdin=DF, COLUMNS="90")
    assert ran.returncode == ExitCode.OK
    assert ran.stdout == (
        "standard input: table disks of me, 2 rows, read as columns\n"
        "  column        type     header       why\n"
        "  ───────────────────────────────────────────────────────────────────\n"
        "  Filesystem    TEXT                  row 1: '/dev/vda1' is no number\n"
        "  _1024_blocks  INTEGER  1024-blocks  all 2 cells are whole numbers\n"
        "  Used          INTEGER               all 2 cells are whole numbers\n"
        "  Available     INTEGER               all 2 cells are whole numbers\n"
        "  Capacity      TEXT                  row 1: '17%' is no number\n"
        "  Mounted_on    TEXT     Mounted on   row 1: '/' is no number\n"
        "  Filesystem  _1024_blocks   Used  Available  Capacity  Mounted_on\n"
        "  ────────────────────────────────────────────────────────────────\n"
        "  /dev/vda1         263174  41241     208490  17%       /\n"
        "  tmpfs               1234      0       1234  0%        /dev/shm\n"
    )
    assert ran.stderr == ""


def test_a_dry_run_shows_a_file_whose_name_is_no_utf8(tmp_path: Path) -> None:
    file = tmp_path / "\udcff.csv"
    file.write_text("a,b\n1,2\nbroken\n")
    ran = run_qasino("publish", "--table", "t", "--dry-run", "--on-error", "skip", file)
    assert ran.returncode == ExitCode.INPUT
    assert ran.stdout.startswith(f"{tmp_path}/\\xff.csv: table t of ")
    assert f"  {tmp_path}/\\xff.csv:3" in ran.stdout


@pytest.mark.parametrize(
    "source", [("--this-host", "--only", "load"), ("--table", "t", "-"), ("--table", "t", "FILE")]
)
def test_an_identity_of_the_environment_that_names_nobody_is_a_usage_error(
    source: tuple[str, ...], table_csv: Path
) -> None:
    options = [str(table_csv) if option == "FILE" else option for option in source]
    ran = run_qasino("publish", *options, "--dry-run", stdin="a\n1\n", QASINO_IDENTITY="\udcff")
    assert ran.returncode == ExitCode.USAGE
    assert ran.stderr == "QASINO_IDENTITY: identity '\\udcff' has unprintable characters\n"


def test_of_several_files_none_is_sent_if_one_is_bad(
    server: Server, wire: Wire, tmp_path: Path, url: str
) -> None:
    good, bad = tmp_path / "good.csv", tmp_path / "bad.csv"
    good.write_text("a,b\n1,2\n")
    bad.write_text("a,b\n1\n")
    ran = run_qasino("publish", "-s", url, good, bad)
    assert ran.returncode == ExitCode.INPUT
    assert ran.stderr.startswith(f"{bad}:2:2: the row has 1 field, the header 2\n  1\n")
    assert open_rows(wire, "select * from good") == []


def test_bad_rows_are_skipped_counted_and_kept(
    server: Server, wire: Wire, tmp_path: Path, url: str
) -> None:
    file, rejects = tmp_path / "t.csv", tmp_path / "rejects.csv"
    file.write_text("a,b\n1,2\nbroken\n3,4\n")
    ran = run_qasino(
        "publish", "-s", url, "--on-error", "skip", "--rejects", rejects, "-I", "me", file
    )
    assert ran.returncode == ExitCode.INPUT
    assert (
        ran.stderr
        == "published t: 2 rows as me, visible in the next generation (1 bad row skipped)\n"
    )
    assert list(csv.reader(rejects.read_text().splitlines())) == [
        ["file", "line", "column", "reason", "raw"],
        [str(file), "3", "7", "the row has 1 field, the header 2", "broken"],
    ]
    assert asked(server, wire, "select sum(a) from t") == [["4"]]


def test_rejects_are_kept_where_no_row_is_left(server: Server, wire: Wire, tmp_path: Path) -> None:
    some, none, rejects = (tmp_path / name for name in ("some.csv", "none.csv", "rejects.csv"))
    some.write_text("a,b\n1,2\nhalf\n")
    none.write_text("a,b\nx\ny\n")
    skipping = ("publish", "-s", zmq_url(server), "--on-error", "skip", "--rejects", rejects)
    ran = run_qasino(*skipping, some, none)
    reason = "the row has 1 field, the header 2"
    assert ran.returncode == ExitCode.INPUT
    assert ran.stderr == f"{none}:2: {reason}; no row is left to publish\n"
    kept = list(csv.reader(rejects.read_text().splitlines()))[1:]
    assert [(file, line, raw) for file, line, _, _, raw in kept] == [
        (str(some), "3", "half"),
        (str(none), "2", "x"),
        (str(none), "3", "y"),
    ]
    assert open_rows(wire, "select * from some") == []


def test_rejects_of_a_command_are_kept_where_no_row_is_left(server: Server, tmp_path: Path) -> None:
    rejects = tmp_path / "rejects.ndjson"
    ran = run_qasino(
        *("publish", "-s", zmq_url(server), "--table", "t", "--run", "printf 'a,b\\nx\\n'"),
        *("--on-error", "skip", "--rejects", rejects),
    )
    assert ran.returncode == ExitCode.INPUT
    assert ran.stderr.startswith("the output of ")
    (reject,) = map(json.loads, rejects.read_text().splitlines())
    assert (reject["line"], reject["raw"]) == (2, "x")


def test_rows_that_are_skipped_are_told_of_with_quiet_too(server: Server, tmp_path: Path) -> None:
    """It ends with 4, which cron would mail without a word."""
    good, bad = tmp_path / "good.csv", tmp_path / "bad.csv"
    good.write_text("a,b\n1,2\n")
    bad.write_text("a,b\n1,2\nbroken\n")
    skipping = ("publish", "-s", zmq_url(server), "--on-error", "skip", "-I", "me", "--quiet")
    ran = run_qasino(*skipping, good, bad)
    said = "published bad: 1 row as me, visible in the next generation (1 bad row skipped)\n"
    assert (ran.returncode, ran.stderr) == (ExitCode.INPUT, said)


@pytest.mark.parametrize("name", ["rejects.ndjson", "REJECTS.JSONL"])
def test_rejects_are_ndjson_where_the_name_says_so(
    server: Server, tmp_path: Path, name: str
) -> None:
    rejects = tmp_path / name
    ran = run_qasino(
        *("publish", "-s", zmq_url(server), "--table", "t"),
        *("--on-error", "skip", "--rejects", rejects),
        stdin='a,b\n1,2\n"日本\n',
    )
    assert ran.returncode == ExitCode.INPUT
    (reject,) = map(json.loads, rejects.read_text().splitlines())
    assert reject == {
        "file": "standard input",
        "line": 3,
        "column": 1,
        "reason": "the quote that opens here is never closed",
        "raw": '"日本',
    }


@pytest.mark.parametrize("kept", ["rejects.csv", "rejects.ndjson"])
def test_rejects_name_a_file_whose_name_is_no_utf8(
    server: Server, tmp_path: Path, kept: str
) -> None:
    file, rejects = tmp_path / "\udcff.csv", tmp_path / kept
    file.write_text("a,b\n1,2\nbroken\n")
    ran = run_qasino(
        *("publish", "-s", zmq_url(server), "--table", "t"),
        *("--on-error", "skip", "--rejects", rejects, file),
    )
    assert ran.returncode == ExitCode.INPUT
    assert ran.stderr.startswith("published t: 1 row as ")
    text = rejects.read_text()
    if kept.endswith("ndjson"):
        assert json.loads(text)["file"] == f"{tmp_path}/\\xff.csv"
    else:
        assert text.splitlines()[1].startswith(f"{tmp_path}/\\xff.csv,3,")


def test_rejects_never_overwrite_an_input(tmp_path: Path) -> None:
    file = tmp_path / "t.csv"
    file.write_text("a,b\n1\n2,3\n")
    (tmp_path / "link").symlink_to(file)
    ran = run_qasino("publish", "--on-error", "skip", "--rejects", tmp_path / "link", file)
    assert ran.returncode == ExitCode.USAGE
    assert ran.stderr == f"--rejects: {tmp_path}/link is an input; name another file\n"
    assert file.read_text() == "a,b\n1\n2,3\n"


def test_rejects_never_overwrite_what_standard_input_is(tmp_path: Path) -> None:
    file = tmp_path / "t.csv"
    file.write_text("a,b\n1\n2,3\n")
    skipping = ("--table", "t", "--on-error", "skip", "--rejects", file)
    for path in ((), ("-",)):
        with file.open("rb") as stdin:
            ran = subprocess.run(
                [*COMMAND, "publish", *skipping, *path],
                stdin=stdin,
                capture_output=True,
                env=clean_environment(),
            )
        assert ran.returncode == ExitCode.USAGE
        assert ran.stderr.decode() == f"--rejects: {file} is an input; name another file\n"
    assert file.read_text() == "a,b\n1\n2,3\n"


@pytest.mark.parametrize("source", [("-",), ("--run", "printf 'a,b\\n1\\n2,3\\n'")])
def test_rejects_become_no_file_called_as_standard_input_is(
    server: Server, tmp_path: Path, source: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    skipping = ("publish", "-s", zmq_url(server), "--table", "t", "--on-error", "skip", "--rejects")
    ran = run_qasino(*skipping, "-", *source, stdin="a,b\n1\n2,3\n")
    said = "--rejects: - would be a file of that name; /dev/stderr shows the rows\n"
    assert (ran.returncode, ran.stderr) == (ExitCode.USAGE, said)
    assert list(tmp_path.glob("-")) == []
    ran = run_qasino(*skipping, "/dev/stderr", *source, stdin="a,b\n1\n2,3\n")
    assert ran.returncode == ExitCode.INPUT
    assert 'the row has 1 field, the header 2",1\n' in ran.stderr


def test_rejects_that_cannot_be_written_keep_everything_back(server: Server, wire: Wire) -> None:
    ran = run_qasino(
        *("publish", "-s", zmq_url(server), "--table", "t", "--on-error", "skip"),
        *("--rejects", "/nosuch/rejects.csv"),
        stdin="a,b\n1\n2,3\n",
    )
    assert ran.returncode == ExitCode.USAGE
    assert ran.stderr == "--rejects: /nosuch/rejects.csv: No such file or directory\n"
    assert open_rows(wire, "select * from t") == []


def test_a_table_of_which_no_row_is_left_is_not_published() -> None:
    ran = run_qasino("publish", "--table", "t", "--on-error", "skip", stdin="a,b\n1\n")
    assert ran.returncode == ExitCode.INPUT
    assert ran.stderr == (
        "standard input:2: the row has 1 field, the header 2; no row is left to publish\n"
    )


def test_types_that_cannot_take_effect_are_said_to() -> None:
    table = "1\nt\na\nreal\n\n1\n"
    ran = run_qasino("publish", "--types", "a=text", stdin=table)
    assert ran.returncode == ExitCode.USAGE
    assert ran.stderr == "--types: standard input says its types itself; change them there\n"


def test_a_dry_run_shows_infinities_and_what_it_would_pass_over() -> None:
    ran = run_qasino(
        *("publish", "--table", "t", "-I", "me", "--dry-run", "--on-error", "skip"),
        *("--types", "a=real", "--add-identity-column"),
        stdin="a,b\ninf,2\n-inf,3\nx\n",
    )
    assert ran.returncode == ExitCode.INPUT
    lines = [line.split() for line in ran.stdout.splitlines()]
    assert ["identity", "TEXT", "--add-identity-column"] in lines
    assert ["me", "Inf", "2"] in lines
    assert ["me", "-Inf", "3"] in lines
    assert ran.stdout.endswith(
        "1 bad row skipped\n  standard input:4:2: the row has 1 field, the header 2\n"
    )


def test_a_dry_run_shows_cells_as_the_server_will_have_them() -> None:
    row = ['{"a": [1]}', "[]", "true", "9" * 30, "-1e999", "-9223372036854775808"]
    table = (
        '{"tablename": "t", "column_names": ["a", "b", "c", "d", "e", "f"],'
        ' "column_types": ["text", "text", "int", "int", "int", "int"],'
        f' "rows": [[{", ".join(row)}]]}}'
    )
    ran = run_qasino("publish", "-I", "me", "--dry-run", stdin=table)
    assert (ran.returncode, ran.stderr) == (ExitCode.OK, "")
    assert ran.stdout.splitlines()[-1].split("  ")[1:] == [
        '{"a": [1]}', "[]", "1", "1.0e+30", "-Inf", "-9223372036854775808"
    ]  # fmt: skip


def test_a_dry_run_shows_what_a_table_becomes_and_the_first_rows_of_many() -> None:
    table = "1\nt\nn,s\nint,string\nHow many,\n" + "".join(f"{n},x\n" for n in range(11, 18))
    ran = run_qasino(
        *("publish", "-I", "me", "--dry-run", "--update", "--keycols", "n", "--ttl", "90"),
        stdin=table,
    )
    head, *lines = ran.stdout.splitlines()
    assert head == ("standard input: table t of me, 7 rows, update, for 90 s, read as qasino-csv")
    assert ["n", "INTEGER", "the", "input", "says", "so"] in map(str.split, lines)
    assert [line.split() for line in lines[-6:]] == [
        ["─" * 5],
        *([f"{n}", "x"] for n in range(11, 16)),
    ]


def test_a_dry_run_shows_tables_of_any_length() -> None:
    for nr_rows in (1000, 60_000):
        table = "".join(f"{n}\n" for n in ("n", *range(nr_rows)))
        ran = run_qasino("publish", "--table", "t", "-I", "me", "--dry-run", stdin=table)
        assert (ran.returncode, ran.stderr) == (0, "")
        assert f" {nr_rows} rows, " in ran.stdout


def test_a_dry_run_tells_what_was_done_to_the_input_and_the_first_bad_rows() -> None:
    ran = run_qasino(
        *("publish", "--table", "t", "-I", "me", "--dry-run", "--on-error", "skip", "--static"),
        stdin="# disks\na,b\n1,2\n" + "bad\n" * 7,
    )
    assert ran.stdout.startswith("standard input: table t of me, 1 row, static, read as csv\n")
    fault = "the row has 1 field, the header 2"
    assert ran.stdout.splitlines()[-7:] == [
        "  passed over before the header: # disks",
        "7 bad rows skipped",
        *(f"  standard input:{line}:4: {fault}" for line in range(4, 9)),
    ]


def test_a_dry_run_shows_what_columns_of_this_host_mean() -> None:
    ran = run_qasino("publish", "--this-host", "--only", "load", "-I", "me", "--dry-run")
    assert ran.stdout.startswith("this host: table load of me, 1 row\n")
    assert ["processors", "INTEGER", "logical", "processors"] in map(
        str.split, ran.stdout.splitlines()
    )


def test_of_a_table_too_large_for_a_server_is_told_and_nothing_else_is_sent(
    server: Server, wire: Wire, tmp_path: Path
) -> None:
    small, large = tmp_path / "small.csv", tmp_path / "large.csv"
    small.write_text("a,b\n1,2\n")
    large.write_text("a,b\n1," + "x" * (65 << 20) + "\n")
    ran = run_qasino("publish", "-s", zmq_url(server), small, large)
    assert ran.returncode == ExitCode.REFUSED
    told, refusal = ran.stderr.splitlines()
    assert told.startswith(f"{large}: the table large makes a message of 65.0 MiB; a server takes")
    assert "the message is larger than" in refusal
    assert open_rows(wire, "select * from small") == []


def test_a_closed_standard_input_is_a_usage_error() -> None:
    ran = subprocess.run(
        [*COMMAND, "publish", "-"],
        stderr=subprocess.PIPE,
        preexec_fn=lambda: os.close(0),
        env=clean_environment(),
    )
    assert (ran.returncode, ran.stderr) == (ExitCode.USAGE, b"standard input is closed\n")


def test_gzip_needs_no_flag(server: Server, wire: Wire, tmp_path: Path) -> None:
    file = tmp_path / "disks.txt.gz"
    file.write_bytes(gzip.compress(DF.encode()))
    assert run_qasino("publish", "-s", zmq_url(server), file).returncode == ExitCode.OK
    assert asked(server, wire, "select count(*) from disks") == [["2"]]


def test_one_file_given_twice_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "t.csv"
    file.write_text("a,b\n1,2\n")
    assert "both hold the table t of" in run_qasino("publish", file, file).stderr


def test_two_files_of_one_table_are_refused_before_anything_is_sent(
    tmp_path: Path, url: str
) -> None:
    (tmp_path / "x").mkdir()
    for place in (tmp_path, tmp_path / "x"):
        (place / "t.csv").write_text("a,b\n1,2\n")
    ran = run_qasino("publish", "-s", url, tmp_path / "t.csv", tmp_path / "x" / "t.csv")
    assert ran.returncode == ExitCode.INPUT
    assert "both hold the table t of" in ran.stderr


def test_a_static_table_of_two_files_is_refused_whatever_their_identities(
    wire: Wire, tmp_path: Path, url: str
) -> None:
    files = [tmp_path / f"{name}.csv" for name in "cd"]
    for file in files:
        file.write_text(f"1,static=1,identity={file.stem}\nracks9\nn\nint\nN\n1\n")
    ran = run_qasino("publish", "-s", url, *files)
    assert ran.returncode == ExitCode.INPUT
    assert "both hold the static table racks9, and the second would replace" in ran.stderr
    assert open_rows(wire, "select * from racks9") == []


def test_the_identity_becomes_a_column(server: Server, wire: Wire, url: str) -> None:
    run_qasino(
        "publish",
        "-s",
        url,
        "--table",
        "t",
        "-I",
        "web-7",
        "--add-identity-column",
        stdin="a,b\n1,2\n",
    )
    assert asked(server, wire, "select * from t") == [["web-7", "1", "2"]]


def test_what_a_command_prints_is_published(server: Server, wire: Wire, url: str) -> None:
    ran = run_qasino(
        "publish", "-s", url, "--table", "t", "--run", "printf 'a,b\\n1,2\\n'", "--quiet"
    )
    assert (ran.returncode, ran.stderr) == (ExitCode.OK, "")
    assert asked(server, wire, "select a + b from t") == [["3"]]
    failed = run_qasino("publish", "-s", url, "--table", "t", "--run", "exit 3")
    assert failed.returncode == ExitCode.INPUT
    assert failed.stderr == "the output of 'exit 3': the command ended with 3\n"


def test_this_machines_tables_are_published(server: Server, wire: Wire, url: str) -> None:
    ran = run_qasino("publish", "-s", url, "--this-host", "-I", "me")
    assert ran.returncode == ExitCode.OK, ran.stderr
    names = ["interfaces", "load", "mounts", "processes", "sockets", "users"]
    like = "','".join(names)
    sql = f"select tablename from qasino_server_tables where tablename in ('{like}') order by 1"
    assert asked(server, wire, sql) == [[name] for name in names]
    own = f"select distinct local_port from sockets where local_port = {server.ports['zmq']}"
    assert asked_again(wire, own) == [[str(server.ports["zmq"])]]
    assert asked_again(wire, "select count(*), count(args) from processes")[0][1] == "0"
    assert float(asked_again(wire, "select memory_bytes from load")[0][0]) > 1e6


def asked_again(wire: Wire, sql: str) -> list[list[str]]:
    rows: list[list[str]] = json.loads(wire.http_get({"op": "query", "sql": sql})[2])["table"][
        "rows"
    ]
    return rows


def test_arguments_are_told_only_when_asked_for(server: Server, wire: Wire, url: str) -> None:
    run_qasino("publish", "-s", url, "--this-host", "--only", "processes", "--with-args")
    sql = "select count(*) > 0 from processes where args like '%--with-args%'"
    assert asked(server, wire, sql) == [["1"]]
    assert asked_again(
        wire, "select count(*) from qasino_server_tables where tablename = 'load'"
    ) == [["0"]]


def test_a_file_is_read_again_and_again(
    running: Callable[..., Any], server: Server, wire: Wire, tmp_path: Path
) -> None:
    file = tmp_path / "t.csv"
    file.write_text("a,b\n1,2\n")
    process = running("publish", "-s", zmq_url(server), "--every", "0.1", "-I", "me", file)
    assert until(lambda: open_rows(wire, "select a from t") == [[1]])
    replace_text(file, "a,b\n7,2\n")
    assert until(lambda: open_rows(wire, "select a from t") == [[7]])
    replace_text(file, "broken\nx,y\n")
    assert process.stderr.readline().startswith(b"published t: 1 row as me")
    assert process.stderr.readline().startswith(f"{file}:2:3: the row has 2 fields".encode())
    replace_text(file, "a,b\n8,2\n")
    assert until(lambda: open_rows(wire, "select a from t") == [[8]])
    process.send_signal(signal.SIGTERM)
    assert process.wait(10) == ExitCode.OK


def test_a_command_is_run_in_every_generation(
    running: Callable[..., Any], server: Server, wire: Wire, tmp_path: Path
) -> None:
    counter = tmp_path / "n"
    command = f"echo x >> {counter}; echo n; wc -l < {counter}"
    process = running(
        "publish", "-s", zmq_url(server), "--every-generation", "--table", "t", "--run", command
    )
    assert until(lambda: open_rows(wire, "select n from t") == [[1]])

    def again() -> bool:
        server.rotate()
        return len(counter.read_text()) > 4

    assert until(again)
    process.send_signal(signal.SIGINT)
    assert process.wait(10) == ExitCode.INTERRUPTED


@pytest.mark.parametrize("command", ["sleep 60", "echo a; exec sleep 60 >&-"])
def test_a_command_that_hangs_is_ended(
    running: Callable[..., Any], server: Server, command: str
) -> None:
    options = ("--table", "t", "--run", command, "--every", "0.2")
    process = running("publish", "-s", zmq_url(server), *options)
    line = process.stderr.readline().decode()
    assert line == f"the output of '{command}': it took over 0.2 s and was ended\n"
    process.send_signal(signal.SIGTERM)
    assert process.wait(10) == ExitCode.INPUT


def test_a_server_that_is_away_is_said_once_and_once_that_it_is_back(
    running: Callable[..., Any], make_server: Callable[..., Server], tmp_path: Path
) -> None:
    places = {"db_dir": tmp_path / "d", "static_db": tmp_path / "s.db"}
    first = make_server(**places)
    command = ("--table", "t", "--run", "printf 'a,b\\n1,2\\n'", "--every", "0.3", "-I", "me")
    process = running("publish", "-s", zmq_url(first), *command)
    assert process.stderr.readline().startswith(b"published t: 1 row as me")
    first.stop()
    dated = rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d "
    away = process.stderr.readline()
    assert re.match(dated + b"cannot reach ", away)
    assert b"nothing listens there" in away
    make_server(**places, zmq_port=first.ports["zmq"])
    back = f"{re.escape(zmq_url(first))} is back\n".encode()
    assert re.fullmatch(dated + back, process.stderr.readline())
    assert process.stderr.readline().startswith(b"published t")
    process.send_signal(signal.SIGTERM)
    assert process.wait(10) == ExitCode.OK


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--every", "5"), "standard input can be read once"),
        (("--every", "soon", "F"), "--every: 'soon' is not a time above 0 s, such as 30, 30s, 5m"),
        (("--every", "5", "--every-generation", "F"), "--every and --every-generation contradict"),
        (("--run", "x", "F"), "FILEs, --run and --this-host are three ways"),
        (("--this-host", "F"), "FILEs, --run and --this-host are three ways"),
        (("--only", "load", "F"), "--only and --with-args go with --this-host"),
        (("--this-host", "--only", "disks"), "--only: 'disks' is not one of processes, mounts"),
        (("--this-host", "--only", "load,users,load"), "--only: load is named twice"),
        (("--on-error", "ignore", "F"), "--on-error: 'ignore' is not abort or skip"),
        (("--types", "a", "F"), "--types: 'a' is not column=type"),
        (("--rejects", "R", "F"), "--rejects keeps the rows that --on-error skip passes over"),
        (("--drop", "t", "--this-host"), "--drop ends a table and publishes none"),
        (("--this-host", "--table", "t"), "--table names one table, but this host has 6"),
        (("--this-host", "--types", "a=text"), "--this-host reads no input; --data-format"),
        (("--types", "a=blob", "F"), "--types: 'blob' is not a type"),
        (("--static", "--ttl", "5", "F"), "--static goes with none of --persist"),
        (("--persist", "--ttl", "5", "F"), "--persist carries the rows without an end, --ttl"),
    ],
)
def test_ways_that_contradict_each_other_are_usage_errors(
    arguments: tuple[str, ...], sentence: str
) -> None:
    ran = run_qasino("publish", *arguments)
    assert ran.returncode == ExitCode.USAGE
    assert ran.stderr.startswith(sentence)
