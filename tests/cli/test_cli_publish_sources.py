"""Which source the options of `qasino publish` mean, and how often."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from qasino_cli.errors import InputRejected, UsageFault
from qasino_cli.publish import running
from qasino_cli.publish.asked import read_header, read_on_error, read_types
from qasino_cli.publish.inputs import mapping_lines, read_all, run_command
from qasino_cli.publish.rejects import check_rejects_path
from qasino_cli.publish.sources import (
    Files,
    Output,
    Source,
    ThisHost,
    choose_source,
    choose_this_host,
)
from qasino_cli.publish.wishes import Wishes

HOST = ThisHost(["load"])


@pytest.mark.parametrize(
    ("paths", "command", "this_host", "again", "source"),
    [
        (["a.csv", "-"], None, None, False, Files(["a.csv", "-"])),
        (["a.csv"], None, None, True, Files(["a.csv"])),
        ([], "df", None, True, Output("df")),
        ([], None, HOST, True, HOST),
    ],
)
def test_one_source_is_meant(
    paths: Sequence[str],
    command: str | None,
    this_host: ThisHost | None,
    again: bool,
    source: Source,
) -> None:
    assert choose_source(paths, command, this_host, Wishes(), again) == source


@pytest.mark.parametrize(
    ("paths", "command", "this_host", "wishes", "sentence"),
    [
        (["a.csv"], "df", None, {}, "are three ways"),
        (["a.csv"], None, HOST, {}, "are three ways"),
        ([], "df", HOST, {}, "are three ways"),
        (
            ["a.csv", "b.csv"],
            None,
            None,
            {"tablename": "t"},
            "--table names one table, but 2 files",
        ),
        (["-", "-"], None, None, {}, "can be read once"),
        (["-"], None, None, {}, "can be read once; name a FILE, or a command"),
        ([], None, HOST, {"skip_lines": 1}, "--this-host reads no input"),
        ([], None, HOST, {"types": {"a": "text"}}, "--this-host reads no input"),
        ([], None, HOST, {"form": "csv"}, "--this-host reads no input"),
        ([], None, HOST, {"strict_names": True}, "--this-host reads no input"),
        ([], None, HOST, {"skip_bad_rows": True}, "--this-host reads no input"),
        ([], None, HOST, {"header": ("a",)}, "--this-host reads no input"),
        ([], None, ThisHost(["load", "users"]), {"tablename": "t"}, "this host has 2; see --only"),
    ],
)
def test_sources_that_contradict_each_other_are_refused(
    paths: Sequence[str],
    command: str | None,
    this_host: ThisHost | None,
    wishes: dict[str, object],
    sentence: str,
) -> None:
    with pytest.raises(UsageFault, match=sentence):
        choose_source(paths, command, this_host, Wishes(**wishes), again=True)


def test_this_hosts_tables_are_all_or_those_that_are_named() -> None:
    assert choose_this_host(False, None, False) is None
    everything = choose_this_host(True, None, True)
    assert everything is not None
    assert "processes" in everything.names
    assert everything.with_args
    assert choose_this_host(True, "load, users", False) == ThisHost(["load", "users"])
    for wanted, only, sentence in (
        (False, "load", "go with --this-host"),
        (True, "x", "'x' is not"),
    ):
        with pytest.raises(UsageFault, match=sentence):
            choose_this_host(wanted, only, False)


def test_bad_rows_are_passed_over_only_where_that_is_said() -> None:
    assert not read_on_error("abort", rejects=False)
    assert read_on_error("skip", rejects=True)
    with pytest.raises(UsageFault, match="'x' is not abort or skip"):
        read_on_error("x", rejects=False)
    with pytest.raises(UsageFault, match="give both"):
        read_on_error("abort", rejects=True)


@pytest.mark.parametrize(
    ("wishes", "said", "wanted"),
    [
        ({}, "identity=y", {"identity": "y", "tablename": "t", "replace": True}),
        ({"identity": "x", "tablename": "u"}, "identity=y", {"identity": "x", "tablename": "u"}),
        ({}, "persist=1", {"persist": True, "static": False, "update": False, "ttl_s": None}),
        ({"persist": True}, "", {"persist": True, "replace": True}),
        ({}, "static=1", {"static": True, "persist": False, "replace": True}),
        ({}, "ttl_s=90", {"ttl_s": 90.0}),
        ({"ttl_s": 5.0}, "ttl_s=90", {"ttl_s": 5.0}),
        ({}, "update=1,keycols=a", {"update": True, "keycols": ("a",), "replace": False}),
        ({"keycols": "b;a"}, "update=1,keycols=a", {"keycols": ("b", "a"), "replace": False}),
        ({"update": True, "keycols": "b"}, "", {"update": True, "keycols": ("b",)}),
        ({"update": True, "persist": True}, "", {"persist": True, "replace": False}),
        ({"replace": False}, "", {"replace": False}),
    ],
)
def test_options_are_laid_over_what_the_input_says(
    wishes: dict[str, Any], said: str, wanted: dict[str, Any]
) -> None:
    asked = Wishes(**wishes)
    line_1 = f"1,{said}" if said else "1"
    body = f"{line_1}\nt\na,b\nint,int\nA,B\n1,2\n".encode()
    [laid] = [one.publication for one in read_all(["t.csv"], asked, lambda _: body)]
    assert {name: getattr(laid, name) for name in wanted} == wanted


def test_types_are_told_of_columns_whatever_these_are_called() -> None:
    assert read_types(["a=b=text,c=real", "d = integer"]) == {
        **{"a=b": "text", "c": "real"},
        "d": "integer",
    }
    with pytest.raises(UsageFault, match="--types: '=text' is not column=type"):
        read_types(["=text"])


def test_a_header_names_columns_that_a_table_may_have() -> None:
    assert read_header(" a , b") == ("a", "b")
    with pytest.raises(UsageFault, match="--header: "):
        read_header("a,A")


@pytest.mark.parametrize(
    ("wishes", "sentence"),
    [
        ({"header": ("a",), "form": "json"}, "names columns where there are no names; json has"),
        ({"static": True, "update": True}, "--static goes with none of"),
    ],
)
def test_wishes_that_contradict_each_other_are_refused(
    wishes: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(UsageFault, match=sentence):
        Wishes(**wishes).check()


def test_names_are_mapped_unless_that_is_refused_and_what_was_done_is_told() -> None:
    def read(_: str) -> bytes:
        return b"# ours\na b,c\n1,2\n"

    assert mapping_lines(read_all(["t.csv"], Wishes(), read)) == [
        "t.csv: columns renamed: 'a b' -> a_b",
        "t.csv: passed over before the header: # ours",
    ]
    with pytest.raises(InputRejected, match="a b"):
        read_all(["t.csv"], Wishes(strict_names=True), read)


def test_updates_of_one_table_do_not_replace_each_other() -> None:
    def read(_: str) -> bytes:
        return b"a,b\n1,2\n"

    assert len(read_all(["t.csv", "x/t.csv"], Wishes(update=True), read)) == 2
    with pytest.raises(InputRejected, match="both hold the table t of"):
        read_all(["t.csv", "x/t.csv"], Wishes(), read)


def test_rejects_may_go_where_nothing_is_kept() -> None:
    check_rejects_path(Path("/dev/null"), ["/dev/null"])


def test_a_command_that_prints_without_end_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "MAX_OUTPUT_BYTES", 1 << 17)
    with pytest.raises(InputRejected, match="the output of 'yes': it is over"):
        run_command("yes", Wishes(tablename="t"), lambda: 20.0)
