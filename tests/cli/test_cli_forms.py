"""Every form an input may have, known by its content, and nothing of it lost."""

from __future__ import annotations

import contextlib
import gzip
import json
import re
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from reading import read, rows

from qasino_cli.errors import InputRejected
from qasino_cli.readers import Reading, Wanted, read_input
from qasino_cli.readers.delimited import SAMPLE_CHARS, sample_of
from qasino_cli.readers.draft import RAW_CHARS, cut, legible
from qasino_server.render import CsvStream, NdjsonStream, TsvStream, visible


def columns(reading: Reading) -> dict[str, str]:
    return {column.name: column.type for column in reading.publication.columns}


@pytest.mark.parametrize(
    ("page", "what"),
    [
        ("<!DOCTYPE html>\n<html><body>502</body></html>\n", "HTML, a page or the error"),
        ("\n\n  <html lang='en'>\n<body>a,b</body></html>\n", "HTML, a page or the error"),
        ('<?xml version="1.0"?>\n<rows><row a="1"/></rows>\n', "XML"),
    ],
)
def test_a_page_is_no_table_unless_it_is_said_to_be(page: str, what: str) -> None:
    line = 1 + page.count("\n", 0, page.index("<"))
    column = 3 if page.startswith("\n") else 1
    with pytest.raises(InputRejected, match=f":{line}:{column}: this looks like {what}") as caught:
        read(page)
    assert caught.value.sentence.endswith("\n  -d csv reads it all the same")
    with contextlib.suppress(InputRejected):
        assert read(page, form="csv").form == "csv"
    assert rows(read("<host>,b\n1,2\n")) == [[1, 2]]


@pytest.mark.parametrize(
    ("drawn", "line"),
    [
        ("| host | load |\n|---|--:|\n| a | 1 |\n", 2),
        ("| host | load |\n|------+------|\n| a    |    1 |\n", 2),
        ("\n| a \\| b |\r\n| :---: |\r\n| x |\r\n", 3),
        ("host | load\n---|:---\na | 1\n", 2),
        (" a | b\n---+---\n 1 | x\n(1 row)\n\n", 2),
        (" a │ b\n───┼───\n 1 │ x\n(1 row)\n", 2),
        ("   List\n a | b\n---+---\n 1 | x\n", 3),
        ("+---+---+\n| a | b |\n+---+---+\n| 1 | x |\n+---+---+\n", 1),
        ("+---+\n| a |\n+===+\n| 1 |\n+---+\n", 1),
        ("┌───┬───┐\n│ a │ b │\n├───┼───┤\n│ 1 │ x │\n└───┴───┘\n", 1),
        ("╭───┬───╮\n│ a │ b │\n├───┼───┤\n│ 1 │ x │\n╰───┴───╯\n", 1),
        ("┏━━━┳━━━┓\n┃ a ┃ b ┃\n┡━━━╇━━━┩\n│ 1 │ x │\n└───┴───┘\n", 1),
    ],
)
def test_a_table_that_is_drawn_is_refused_unless_it_is_said_to_be_meant(
    drawn: str, line: int
) -> None:
    with pytest.raises(
        InputRejected, match=f"^t\\.csv:{line}: this is a table as it is drawn"
    ) as e:
        read(drawn)
    assert "qasino sql --format csv, psql --csv, mysql -B and sqlite3 -csv" in e.value.sentence
    assert e.value.sentence.endswith("\n  -d csv reads it all the same")
    assert read(drawn, form="csv", skip_bad_rows=True).form == "csv"
    assert read(drawn, header=("line",)).form == "columns"


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("a,b\n---,---\n", ["---", "---"]),
        ("a\n---\n", ["---"]),
        ("a|b\n-|-\n", ["-", "-"]),
        ("a|b\n--|--\n", ["--", "--"]),
        ("a|b|c\n---|---\n", None),
        ("+--+\nx\n", ["x"]),
        ("x\n+--+\n", ["+--+"]),
        ("text\n| x |\n---\n", ["| x |"]),
        ("n   name\n--+-----\n1   x y\n12  z\n", [1, "x y"]),
        ('note\n"| a | b |\n|---|---|"\n', ["| a | b |\n|---|---|"]),
        ('note\n"as drawn:\n+---+\n| a |"\n', ["as drawn:\n+---+\n| a |"]),
    ],
)
def test_dashes_and_bars_that_draw_no_table_are_cells(text: str, first: list[Any] | None) -> None:
    found = rows(read(text, skip_bad_rows=True))
    assert found == [] if first is None else found[0] == first


@pytest.mark.parametrize("delimiter", [";", ",", "|", "\t"])
def test_a_spreadsheets_line_that_names_the_delimiter_is_heeded(delimiter: str) -> None:
    text = "sep=;\r\nname;n\r\na,b;1\r\nc,d;2\r\n".replace(";", delimiter)
    if delimiter == ",":
        text = text.replace("a,b", "a b").replace("c,d", "c d")
    found = read("\ufeff" + text)
    assert list(columns(found)) == ["name", "n"]
    assert [row[1] for row in rows(found)] == [1, 2]
    with pytest.raises(InputRejected, match=r"t\.csv:3:"):
        read(text.replace("\na", f"\n{delimiter}a"))


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("sep=;\r\nlast, first;n\r\na,b;1\r\nc,d;2\r\n", ["last_first", "n"]),
        ("a, b, c\tn\nx, y, z\t1\nu, v, w\t2\n", ["a_b_c", "n"]),
        ("a\tb,n\nx,1\ny,2\n", ["a_b", "n"]),
        ("a,b;n\nx;1\ny;2\n", ["a_b", "n"]),
        ("a;b;n\nx, y;z;1\nu, v;w;2\n", ["a", "b", "n"]),
        ("a,b;c;n\nx,y;z;1\nu,v;w;2\n", ["a_b", "c", "n"]),
        ("a\tb,n\nx\ty,1\nz,2\n", ["a_b", "n"]),
    ],
)
def test_the_delimiter_is_what_is_said_a_tab_or_what_most_rows_follow(
    text: str, names: list[str]
) -> None:
    found = read(text)
    assert list(columns(found)) == names
    assert [row[-1] for row in rows(found)] == [1, 2]


@pytest.mark.parametrize("header", [b'a,"b"x', b'a,"b', b"a,\xffb", b"a,b\0"])
def test_a_bad_header_is_no_row_to_pass_over(header: bytes) -> None:
    with pytest.raises(InputRejected, match=r"t\.csv:1"):
        read_input("t.csv", header + b"\n1,2\n3,4\n", Wanted(identity="me", skip_bad_rows=True))


@pytest.mark.parametrize(
    ("text", "advised"),
    [("Report\na,b\n", True), ("Report of,us\na,b,c\n", True), ("a,b,c\n1\n", True),
     ("a,b,c\n1,2\n", False), ("a,b\n1\n", False), ("a,b\n1,2\n1,2,3\n", False)],
)  # fmt: skip
def test_a_title_above_the_header_is_thought_of_only_where_it_may_be_one(
    text: str, advised: bool
) -> None:
    with pytest.raises(InputRejected) as caught:
        read(text, form="csv")
    assert ("--skip-lines" in caught.value.sentence) == advised


@given(st.lists(st.sampled_from(["", "a", "b" * 900, "c" * (SAMPLE_CHARS // 3)]), max_size=200))
def test_a_sample_is_the_first_whole_lines(lines: list[str]) -> None:
    text = "".join(f"{line}\n" for line in lines)
    sample = sample_of(text)
    assert text.startswith(sample)
    assert len(sample) <= SAMPLE_CHARS
    rest = text[len(sample) :]
    assert not rest or (sample.endswith("\n") and len(sample) + rest.index("\n") >= SAMPLE_CHARS)
    assert sample_of("x" * (SAMPLE_CHARS + 1)) == "x" * SAMPLE_CHARS


@pytest.mark.parametrize(
    ("text", "note"),
    [
        ("total 88\n-rw-r--r--   1 root\n", "it has one column: no comma"),
        ('{"blockdevices": [\n {"name": "vda"}]}', "it is one row; `jq .blockdevices` makes"),
        ("host\nweb-1\n", None),
        ('{"a": [1], "b": [{"x": 1}], "c": [{}]}', None),
    ],
)
def test_a_table_that_is_hardly_meant_like_that_is_told(text: str, note: str | None) -> None:
    notes = read(text).notes
    assert (notes == ()) if note is None else notes[0].startswith(note)


DF = """\
Filesystem     1024-blocks     Used Available Capacity Mounted on
/dev/vda1        263174212 41241828 208490416      17% /
tmpfs             12345678        0  12345678       0% /dev/shm
/dev/sdb1             1024      512       512      50% /mnt/a disk
"""
PS = """\
USER         PID %CPU %MEM    VSZ   RSS TTY      STAT START   TIME COMMAND
root           1  0.2  0.0  50204 18100 ?        Ss   07:47   0:06 /sbin/init --system x
www-data     412  0.0  1.5 999999 38100 ?        S    07:47   0:00 nginx: worker process
"""
SS = """\
State  Recv-Q Send-Q Local Address:Port  Peer Address:Port Process
LISTEN 0      128          0.0.0.0:22         0.0.0.0:*
ESTAB  0      0           10.0.0.1:22        10.0.0.9:555   users:(("sshd",pid=1,fd=3))
"""
KUBECTL = """\
NAME                     READY   STATUS             RESTARTS      AGE
web-5d9c7b7c9f-abcde     1/1     Running            0             3d
web-5d9c7b7c9f-fghij     0/1     CrashLoopBackOff   7 (2m ago)    3d
"""
FREE = """\
               total        used        free
Mem:        24000000     1000000    23000000
Swap:              0           0           0
"""
METRICS = """\
# HELP node_cpu_seconds_total Seconds the CPUs spent in each mode.
# TYPE node_cpu_seconds_total counter
node_cpu_seconds_total{cpu="0",mode="idle"} 12.5
node_cpu_seconds_total{cpu="0",mode="say \\"hi\\", ok"} 1e3
# TYPE up gauge
up 1
nan_one NaN
inf_one +Inf 1700000000
# TYPE lat histogram
lat_bucket{le="0.5"} 3 # {trace_id="x"} 0.3
# EOF
"""


@pytest.mark.parametrize(
    ("text", "form", "names", "first"),
    [
        ("a,b\n1,x\n", "csv", ["a", "b"], [1, "x"]),
        ("a;b\n1;x\n", "csv", ["a", "b"], [1, "x"]),
        ("a|b\n1|x\n", "csv", ["a", "b"], [1, "x"]),
        ("a\tb\n1\tx\n", "tsv", ["a", "b"], [1, "x"]),
        ("a\n1\n2\n", "csv", ["a"], [1]),
        ("\ufeffa,b\r\n1,x\r\n", "csv", ["a", "b"], [1, "x"]),
        ("a,b\r1,x\r", "csv", ["a", "b"], [1, "x"]),
        ("a,b\n1,x", "csv", ["a", "b"], [1, "x"]),
        ("a,b\n\n1,x\n\n", "csv", ["a", "b"], [1, "x"]),
        ('a,b\n1,"x\ny, ""z"""\n', "csv", ["a", "b"], [1, 'x\ny, "z"']),
        ('a;b\n1;"x,y"\n', "csv", ["a", "b"], [1, "x,y"]),
        ('[{"a": 1, "b": "x"}, {"b": "y", "c": true}]', "json", ["a", "b", "c"], [1, "x", None]),
        ('[["a", "b"], [1, "x"]]', "json", ["a", "b"], [1, "x"]),
        ('{"a": 1, "b": {"c": [2]}}', "json", ["a", "b"], [1, '{"c": [2]}']),
        ('{"a": 1}\n{"a": 2}\n', "ndjson", ["a"], [1]),
        ('{"table": "hosts", "rows": 7}', "json", ["table", "rows"], ["hosts", 7]),
        (DF, "columns", None, ["/dev/vda1", 263174212, 41241828, 208490416, "17%", "/"]),
        (SS, "columns", None, ["LISTEN", 0, 128, "0.0.0.0:22", "0.0.0.0:*", None]),
        (
            FREE,
            "columns",
            ["column_1", "total", "used", "free"],
            ["Mem:", 24000000, 1000000, 23000000],
        ),
        (KUBECTL, "columns", None, ["web-5d9c7b7c9f-abcde", "1/1", "Running", "0", "3d"]),
    ],
)
def test_the_form_is_told_by_the_content(
    text: str, form: str, names: list[str] | None, first: list[Any]
) -> None:
    for body in (text.encode(), gzip.compress(text.encode())):
        reading = read(body, "t.gz")
        assert reading.form == form
        assert names is None or list(columns(reading)) == names
        assert rows(reading)[0] == first


def test_what_commands_print_gets_legal_names_and_keeps_its_last_column_whole() -> None:
    disks = read(DF)
    assert list(columns(disks))[-2:] == ["Capacity", "Mounted_on"]
    assert [(r.header, r.name) for r in disks.renamed] == [
        ("1024-blocks", "_1024_blocks"),
        ("Mounted on", "Mounted_on"),
    ]
    assert rows(disks)[2][-1] == "/mnt/a disk"
    processes = read(PS)
    assert rows(processes)[1][-1] == "nginx: worker process"
    assert columns(processes)["pct_CPU"] == "REAL"
    assert list(columns(read(SS)))[3:5] == ["Local_Address_Port", "Peer_Address_Port"]
    assert rows(read(KUBECTL))[1][3] == "7 (2m ago)"


def test_what_export_csv_writes_above_its_header_makes_no_metrics_of_it() -> None:
    text = '#TYPE System.Diagnostics.Process\r\n"Name","Id"\r\n"sh","7"\r\n'
    reading = read(text)
    assert (reading.form, rows(reading)) == ("csv", [["sh", 7]])
    assert reading.notes == ("passed over before the header: #TYPE System.Diagnostics.Process",)


def test_metrics_become_one_long_table() -> None:
    reading = read(METRICS, "-", tablename="metrics")
    assert reading.form == "openmetrics"
    assert columns(reading) == {
        "metric": "TEXT",
        "type": "TEXT",
        "labels": "TEXT",
        "cpu": "TEXT",
        "mode": "TEXT",
        "le": "TEXT",
        "value": "REAL",
        "timestamp": "REAL",
    }
    found = rows(reading)
    assert found[0][:5] == [
        "node_cpu_seconds_total",
        "counter",
        '{"cpu":"0","mode":"idle"}',
        "0",
        "idle",
    ]
    assert found[0][5:] == [None, 12.5, None]
    assert found[1][4] == 'say "hi", ok'
    assert found[3] == ["nan_one", *[None] * 7]
    assert found[4][-2:] == [float("inf"), 1700000000.0]
    assert found[5] == ["lat_bucket", "histogram", '{"le":"0.5"}', None, None, "0.5", 3.0, None]


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ('up{a="b"} 1\n', "openmetrics"),
        ("a_b 1\n# x\nc_d{} -2.5e3\n", "openmetrics"),
        ('a_b{x="' + "y" * 300 + '"} 1\n', "openmetrics"),
        ("web 1\nmail 2\n", "csv"),
        ("a_b c\nd_e f\n", "csv"),
        ("# x\n# y\n", "csv"),
    ],
)
def test_metrics_are_known_by_their_samples_too(text: str, form: str) -> None:
    assert read(text * 20, tablename="t").form == form


@pytest.mark.parametrize("end", ["", "# EOF", "# EOF\n"])
def test_times_are_milliseconds_unless_the_text_ends_as_openmetrics_does(end: str) -> None:
    text = "a_b 1 1700000000500\nc_d 2 0\ne_f 3\n" + end
    seconds = 1700000000500.0 if end else 1700000000.5
    assert [row[-1] for row in rows(read(text, tablename="t"))] == [seconds, 0.0, None]


def test_what_a_label_holds_is_unescaped_and_the_type_is_that_of_its_metric() -> None:
    text = (
        "# TYPE a_b summary\n# TYPE a_b_sum gauge\n# TYPE h histogram\n"
        'a_b_sum 1\na_b_count 2\nh_created -Inf\nc_total{l="x\\ny\\\\z\\q\\""} 3\n'
    )
    found = rows(read(text, tablename="t"))
    assert [row[:2] for row in found] == [
        ["a_b_sum", "gauge"], ["a_b_count", "summary"], ["h_created", "histogram"],
        ["c_total", None],
    ]  # fmt: skip
    assert (found[2][-1], found[3][3]) == (float("-inf"), 'x\ny\\z\\q"')


@pytest.mark.parametrize(
    ("count", "note"),
    [(200, None), (201, "1 label has no column"), (203, "3 labels have no column")],
)
def test_of_very_many_labels_some_have_no_column_and_it_is_said(
    count: int, note: str | None
) -> None:
    labels = {f"l{n}": str(n) for n in range(count)}
    told = ",".join(f'{name}="{value}"' for name, value in labels.items())
    reading = read(f"a_b{{{told}}} 1\n", tablename="t")
    assert reading.notes == (() if note is None else (f"{note}, see the column labels",))
    assert list(columns(reading))[3:-1] == list(labels)[:200]
    assert json.loads(rows(reading)[0][2]) == labels


def test_labels_called_as_a_column_of_the_table_are_columns_all_the_same() -> None:
    reading = read('a_b{Type="x",value="7",LABELS="z"} 1\n', tablename="t")
    names = ["metric", "type", "labels", "label_Type", "label_value", "label_LABELS", "value"]
    assert list(columns(reading)) == names
    assert rows(reading)[0][3:] == ["x", "7", "z", 1.0]


def test_labels_that_differ_in_case_alone_have_a_column_each() -> None:
    reading = read('a_b{a="x",A="y"} 1\n', tablename="t")
    assert list(columns(reading)) == ["metric", "type", "labels", "a", "label_A", "value"]
    assert rows(reading)[0][2:5] == ['{"a":"x","A":"y"}', "x", "y"]


def test_names_of_other_characters_stand_in_quotes() -> None:
    text = (
        '# HELP "my.metric" about\n# TYPE "my.metric" counter\n'
        '{"my.metric",host="a","odd.label"="b"} 3\n{ "say \\"x\\"" } 4\nplain{"c d"="1",} 5\n'
    )
    reading = read(text, tablename="t")
    assert reading.form == "openmetrics"
    assert list(columns(reading))[3:-1] == ["host", "odd_label", "c_d"]
    assert [[row[0], row[1], row[2], row[-1]] for row in rows(reading)] == [
        ["my.metric", "counter", '{"host":"a","odd.label":"b"}', 3.0],
        ['say "x"', None, None, 4.0],
        ["plain", None, '{"c d":"1"}', 5.0],
    ]
    assert read('{"a.b"} 1\n' * 3, tablename="t").form == "openmetrics"


@pytest.mark.parametrize(
    ("text", "place", "half"),
    [
        (r'[{"f":"caf\udce9"}]', "1:11", r"\udce9"),
        ('[{"f":"a"},\n' r' {"f":"\ud83d\ude00caf\ud83d"},{"f":"x"}]', "2:23", r"\ud83d"),
        (r'[{"w":"\\ud800\uD800"}]', "1:15", r"\uD800"),
        ('{"f":"a"}\n' r'{"f":"\ud800x"}' "\n", "2:7", r"\ud800"),
        (r'{"f":"\ud800"}', "1:7", r"\ud800"),
    ],
)
def test_half_a_surrogate_pair_is_called_that(text: str, place: str, half: str) -> None:
    """It was said to end too early."""
    reason = f"t.json:{place}: {half} is half of a surrogate pair"
    with pytest.raises(InputRejected, match=f"^{re.escape(reason)}"):
        read(text, "t.json")


def test_json_that_ends_too_early_is_still_said_to() -> None:
    with pytest.raises(InputRejected, match="truncated"):
        read(r'[{"f":"\ud83d\ude00"', "t.json")


def test_a_long_run_of_blanks_is_read_once() -> None:
    """Each of its places was tried as the end of the name: for a hundred times as many, hours."""
    with pytest.raises(InputRejected, match=r"^t\.prom:2:1: not a metric"):
        read(f"# TYPE a_b gauge\na_b{' ' * 2_000_000}1 2 3\n", "t.prom")


@pytest.mark.parametrize(
    ("line", "column", "reason"),
    [
        ('{a="b"} 1', 2, 'no metric: {"its name", ..}'),
        ("{} 1", 2, 'no metric: {"its name", ..}'),
        ('{"a.b","c"} 1', 8, 'not a label: name="value"'),
        ('a_b{"c"} 1', 5, 'not a label: name="value"'),
        (" 1", 1, "not a metric"),
    ],
)
def test_a_sample_has_one_name(line: str, column: int, reason: str) -> None:
    with pytest.raises(InputRejected, match=f"^t.prom:2:{column}: {re.escape(reason)}"):
        read(f"# TYPE a_b gauge\n{line}\n", "t.prom")


@pytest.mark.parametrize(
    ("cells", "kind", "why"),
    [
        (["1", "-2", ""], "INTEGER", "all 2 cells are whole numbers"),
        (["007", "1"], "TEXT", "'007' has a leading zero"),
        (["+1"], "TEXT", "'+1' is no number"),
        (["1", " 2"], "TEXT", "row 2: ' 2' has blanks around it"),
        (["9223372036854775807"], "INTEGER", "its cell is a whole number"),
        (["9223372036854775808"], "TEXT", "'9223372036854775808' has more digits"),
        (["12.50", "3.00"], "REAL", "all 2 cells are numbers"),
        (["3", "3.10"], "TEXT", "row 2: '3.10' beside cells with other decimals"),
        (["1.1", "1.10"], "TEXT", "row 2: '1.10' beside cells with other decimals"),
        (["1", "x"], "TEXT", "'x' is no number"),
        (["NaN"], "TEXT", "'NaN' is no number"),
        (["1e400"], "TEXT", "'1e400' has more digits"),
        (["0.1234567890123456789"], "TEXT", "has more digits than a number keeps"),
        (["", ""], "TEXT", "it is empty"),
        (["-0"], "TEXT", "would lose its sign"),
        (["1_000"], "TEXT", "'1_000' is no number"),
        (["2026-11-24"], "TEXT", "'2026-11-24' is no number"),
    ],
)
def test_a_column_is_a_number_only_where_nothing_is_lost(
    cells: list[str], kind: str, why: str
) -> None:
    reading = read("k,a\n" + "".join(f"x,{cell}\n" for cell in cells))
    assert reading.inferred[1].type == kind
    assert why in reading.inferred[1].why


@pytest.mark.parametrize(
    ("values", "kind", "first"),
    [
        ("[1, 2]", "INTEGER", 1),
        ("[1, 2.5]", "REAL", 1.0),
        ("[true, false]", "INTEGER", 1),
        ('[1, "x"]', "TEXT", "1"),
        ("[18446744073709551616]", "TEXT", "18446744073709551616"),
        ("[9007199254740993, 0.5]", "TEXT", "9007199254740993"),
        ('[{"a": 1}]', "TEXT", '{"a": 1}'),
        ("[null]", "TEXT", None),
    ],
)
def test_json_values_keep_their_type(values: str, kind: str, first: Any) -> None:
    text = json.dumps([{"a": "@"}]).replace('"@"', "@")
    objects = ",".join(text[1:-1].replace("@", json.dumps(v)) for v in json.loads(values))
    reading = read(f"[{objects}]")
    assert columns(reading)["a"] == kind
    assert rows(reading)[0] == [first]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("a,b\n1\n", "t.csv:2:2: the row has 1 field, the header 2\n  1\n  --on-error skip"),
        ("a,b\n1,2,3\n", "t.csv:2:5: the row has 3 fields, the header 2\n  1,2,3\n"),
        ('a,b\n1,"x\n', 't.csv:2:3: the quote that opens here is never closed\n  1,"x\n'),
        ('a,b\n1,"x"y\n', "t.csv:2:6: after the closing quote there is more text"),
        ("a,A\n1,2\n", "t.csv:1:3: two columns are called 'A'; rename one of them"),
        ("\n# x\na,A\n1,2\n", "t.csv:3:3: two columns are called 'A'; rename one of them"),
        (b"a,b\n1,\xff\n", "t.csv:2:3: byte 0xff is not UTF-8\n  1,\\xff\n  iconv"),
        (b"a,b\n1,\x00\n", "t.csv:2:3: a NUL character stands there"),
        (b"\x7fELF\x00\x01\xff\xfe", "t.csv:1: this is binary, not text"),
        (gzip.compress(b"a,b\n1,2\n", mtime=0)[:-9], "t.csv:1: the gzip data ends too early"),
        ('{"a": 1}\n{"a": oops}\n', "t.csv:2:7: not JSON: invalid"),
        ('{"a": 1}\n{"a": 2}\n[3]\n', "t.csv:3:1: the line is no JSON object"),
        ('[["a", "b"], [1]]', "t.csv:1:14: row 1 has 1 cells, the header 2"),
        ("up 1\nnode{a=1} 2\n".replace("up 1", "# TYPE up gauge"), "t.csv:2:6: not a label"),
        ("# TYPE a gauge\na one\n", "t.csv:2:3: 'one' is no number"),
        ("# TYPE a gauge\na 1_0\n", "t.csv:2:3: '1_0' is no number"),
        ('# TYPE a gauge\na{b="1",b="2"} 1\n', "t.csv:2:9: the label b stands there twice\n  a{"),
        ("A,a\n1,2\n", "t.csv:1:3: two columns are called 'a'; rename one of them"),
        (DF + "/dev/x 1 2\n", "t.csv:5:11: the line has 1 column, the header 6\n  /dev/x 1 2\n"),
        ("", "t.csv: there is nothing in it"),
    ],
)
def test_what_is_wrong_is_told_with_its_place_and_what_would_take_it(
    text: str | bytes, sentence: str
) -> None:
    with pytest.raises(InputRejected) as caught:
        read(text)
    assert caught.value.sentence.startswith(sentence)


PIECES = st.lists(st.sampled_from(["x" * 59, "\t" * 40, "\x01" * 30, "\udcff", "日"]), max_size=7)


@given(PIECES.map("".join), PIECES.map("".join))
@example("", "x" * (RAW_CHARS - 1))
@example("x", "x" * (RAW_CHARS - 1))
def test_a_fault_is_within_what_is_shown_of_its_row(before: str, after: str) -> None:
    shown = cut(f"{before}@{after}\r\nx", len(before) + 1)
    whole = visible(legible(f"{before}@{after}"))
    part = shown.strip(".")
    begins = whole.index("@") - part.index("@")
    assert whole[begins:].startswith(part)
    assert len(part) == min(len(whole), RAW_CHARS)
    assert shown.startswith("...") == (begins > 0)
    assert shown.endswith("...") == (begins + len(part) < len(whole))


def test_a_fault_at_the_end_of_a_row_of_many_tabs_is_shown() -> None:
    names = "\t".join(f"c{n}" for n in range(300))
    with pytest.raises(InputRejected, match=r"\.\.\.(?:\\t0){40}\n"):
        read(f"{names}\n" + "0\t" * 298 + "0\n")


def test_bad_rows_can_be_passed_over_and_are_kept() -> None:
    text = "a,b\n1,2\n3\n4,5,6\n7,8\n"
    reading = read(text, skip_bad_rows=True)
    assert rows(reading) == [[1, 2], [7, 8]]
    assert [(r.line, r.raw) for r in reading.rejects] == [(3, "3"), (4, "4,5,6")]


def test_types_that_are_told_are_kept_and_what_does_not_fit_is_named() -> None:
    assert rows(read("a,b\n007,1\n", types={"a": "text", "b": "real"})) == [["007", 1.0]]
    with pytest.raises(InputRejected, match=r"t\.csv:3:1: column a: 'x' is no INTEGER\n  x,2"):
        read("a,b\n1,1\nx,2\n", types={"A": "int"})
    reading = read("a,b\n1,1\nx,2\n", types={"a": "int"}, skip_bad_rows=True)
    assert (rows(reading), [r.line for r in reading.rejects]) == ([[1, 1]], [3])
    with pytest.raises(InputRejected, match="there is no column 'z'; there are a, b"):
        read("a,b\n1,1\n", types={"z": "int"})
    assert columns(read("Use%,b\n1,1\n", types={"Use%": "text"}))["Use_pct"] == "TEXT"


@pytest.mark.parametrize(
    ("header", "name"),
    [
        ("Use%", "Use_pct"),
        ("%CPU", "pct_CPU"),
        ("1K-blocks", "_1K_blocks"),
        ("a b", "a_b"),
        ("#", "nr"),
        ("", "column_1"),
        ("é", "e"),
        ("日", "column_1"),
        ("éa", "ea"),
        ("R & D", "R_and_D"),
        ("T°C", "T_deg_C"),
        ("a" * 200, "a" * 128),
        ("9" * 200, "_" + "9" * 127),
        ("order", "order"),
    ],
)
def test_a_header_that_is_no_legal_name_gets_one(header: str, name: str) -> None:
    text = f'"{header}",z\n1,2\n'
    assert next(iter(columns(read(text)))) == name
    if name != header:
        with pytest.raises(InputRejected, match=f"without --strict-names it becomes {name}"):
            read(text, strict_names=True)


def test_names_that_mapping_made_alike_are_numbered() -> None:
    assert list(columns(read("a b,a-b,A_b\n1,2,3\n"))) == ["a_b_2", "a_b_3", "A_b"]
    assert list(columns(read("A b,a_b\n1,2\n"))) == ["A_b_2", "a_b"]
    assert list(columns(read(",a,\n1,2,3\n"))) == ["column_1", "a", "column_3"]
    long = list(columns(read(f"{'a b' * 60},{'a-b' * 60}\n1,2\n")))
    assert [(len(name), name[-2:]) for name in long] == [(128, "a_"), (122, "_2")]


def test_blanks_around_a_header_are_none_of_its_name() -> None:
    for text in ('{" a ": 1}', '[[" a "], [1]]', " a , b\n1,2\n"):
        assert (next(iter(columns(read(text)))), read(text).renamed) == ("a", ())


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/x/mounts.csv.gz", "mounts"),
        ("web logs.ndjson", "web_logs"),
        ("9.txt", "_9"),
        ("X.TSV.GZ", "X"),
        ("a.jsonl", "a"),
        ("column_1.csv", "column_1"),
    ],
)
def test_a_table_is_called_as_its_file(path: str, name: str) -> None:
    assert read("a,b\n1,2\n", path).publication.tablename == name


def test_a_table_that_is_not_called_as_its_file_is_said_to_be() -> None:
    assert read("a,b\n1,2\n", "/x/mounts.csv.gz").notes == ()
    assert read("a,b\n1,2\n", "/x/mounts").notes == ()
    notes = read("a,b\n1,2\n", "web logs.csv").notes
    assert notes == ("the table is called web_logs, after the file",)
    with pytest.raises(InputRejected, match="web_logs could be: give --table"):
        read("a,b\n1,2\n", "web logs.csv", strict_names=True)
    with pytest.raises(InputRejected, match=r"sqlite_x.*\n  give --table NAME"):
        read("a,b\n1,2\n", "sqlite_x.csv")


def test_one_column_is_wondered_at_only_where_nobody_asked_for_it() -> None:
    assert read("a b\n1\n").notes[0].startswith("it has one column")
    assert read("a b\n1\n", form="csv").notes == ()


def test_standard_input_wants_a_name() -> None:
    with pytest.raises(InputRejected, match="it names no table\n  give --table NAME"):
        read("a,b\n1,2\n", "-")


# --- What our own writers write comes back -----------------------------------------------------

NAMES = st.lists(
    st.from_regex(r"[a-z][a-z0-9_]{0,5}", fullmatch=True), min_size=2, max_size=4, unique=True
)
TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=12)
CELL = st.one_of(st.none(), st.integers(-(2**63) + 1, 2**63 - 1), TEXT.filter(lambda t: t != ""))


@st.composite
def tables(draw: Any) -> tuple[list[str], list[list[Any]]]:
    names = draw(NAMES)
    kinds = [draw(st.sampled_from(["text", "int"])) for _ in names]
    cells = {"text": st.one_of(st.none(), TEXT.map(lambda t: "x" + t)), "int": st.integers(0, 99)}
    made = draw(st.lists(st.tuples(*(cells[kind] for kind in kinds)), min_size=1, max_size=6))
    return names, [list(row) for row in made]


@given(tables())
def test_a_table_written_as_tsv_csv_or_ndjson_reads_back_the_same(
    table: tuple[list[str], list[list[Any]]],
) -> None:
    names, cells = table
    for stream, form in ((TsvStream(), "tsv"), (CsvStream(), "csv"), (NdjsonStream(), "ndjson")):
        text = stream.head(names) + stream.rows(cells)
        reading = read(text, form=form)
        assert list(columns(reading)) == names, form
        assert rows(reading) == cells, form


@given(
    st.lists(
        st.text(
            st.characters(codec="ascii", exclude_characters='\x00\r\n",;|\t'),
            min_size=1,
            max_size=8,
        ),
        min_size=1,
    )
)
def test_a_number_can_always_be_written_back_as_it_was(cells: list[str]) -> None:
    reading = read("k,a\n" + "".join(f"x,{cell}\n" for cell in cells), form="csv")
    kind = reading.inferred[1].type
    sent = reading.publication.rows_json[2:-2].split("],[")
    for cell, row, (_, value) in zip(cells, sent, rows(reading), strict=True):
        if kind == "TEXT":
            assert value == cell
        else:
            assert row == f'"x",{cell}'


@given(st.binary(max_size=300))
def test_no_bytes_do_more_than_be_refused(body: bytes) -> None:
    with contextlib.suppress(InputRejected):
        read(body)


@pytest.mark.parametrize(
    ("text", "form", "skip"),
    [
        ("Report of\nlast night\nhost,used\na,1\nb\n", "csv", 2),
        ("x,y,z\n\nhost\tused\na\t1\nb\n", "tsv", 2),
        ("-- begin\n# a comment\nhost;used\na;1\nb\n", "csv", 1),
        ("sep=,\nsep=;\r\nhost;used\r\na;1\r\nb\r\n", "csv", 1),
        ("Active Nothing\nhost   used\na         1\nb\n", "columns", 1),
    ],
)
def test_lines_above_the_header_are_passed_over_and_places_stay(
    text: str, form: str, skip: int
) -> None:
    good = text[: text.rindex("\n", 0, -1) + 1]
    found = read(good, skip_lines=skip)
    assert (found.form, columns(found)) == (form, {"host": "TEXT", "used": "INTEGER"})
    assert rows(found) == [["a", 1]]
    last = text.count("\n")
    with pytest.raises(InputRejected, match=rf"t\.csv:{last}:"):
        read(text, skip_lines=skip)
    (reject,) = read(text, skip_lines=skip, skip_bad_rows=True).rejects
    assert reject.line == last


def test_something_has_to_stand_below_the_lines_that_are_passed_over() -> None:
    for text, line in (("a,b\n1,2\n", 2), ("a,b\n\n\n\n", 3), ("a,b", 1)):
        with pytest.raises(
            InputRejected, match=rf"t\.csv:{line}: --skip-lines 3 leaves nothing of"
        ):
            read(text, skip_lines=3)
    assert rows(read('HTTP/1.1 200 OK\n{"a": 1}\n{"a": 2}\n', skip_lines=1)) == [[1], [2]]
    with pytest.raises(InputRejected, match=r"begins with its version; tail -n \+2 gives"):
        read("title\n1\nt\na\nint\nA\n5\n", skip_lines=1)


@pytest.mark.parametrize(
    "text", ["Report of 2024\nhost,used\na,1\n", "On 1, 2\nhost,used,x\na,1,2\n"]
)
def test_a_title_that_is_no_header_is_refused_with_the_way_past_it(text: str) -> None:
    with pytest.raises(InputRejected, match="--skip-lines N begins below a title"):
        read(text)
    assert rows(read(text, skip_lines=1))[0][:2] == ["a", 1]


def test_what_w_prints_is_refused_with_the_way_past_its_title() -> None:
    text = (
        " 17:12:02 up 22:53,  2 users,  load average: 2.10, 1.91, 1.40\n"
        "USER     TTY      FROM             LOGIN@   IDLE   JCPU   PCPU WHAT\n"
        "root     pts/0    10.0.0.1         16:31    1.00s  0.10s  0.00s w\n"
    )
    with pytest.raises(InputRejected, match="--skip-lines N begins below a title"):
        read(text)
    assert list(columns(read(text, skip_lines=1)))[-1] == "WHAT"


@pytest.mark.parametrize("cell", ["1e999", "1e5", "null", "true", '["a"]', "9" * 5000])
def test_an_array_of_anything_but_text_is_no_header(cell: str) -> None:
    """It is a row, of which the first would be lost."""
    reason = r"t\.csv:2:2: the first array is taken for the header, and .* is no name\n"
    with pytest.raises(InputRejected, match=reason) as caught:
        read(f'[\n ["b", {cell}], ["c", 1]]')
    assert caught.value.sentence.endswith("\n  --header A,B names the columns if it is a row")
    assert len(caught.value.sentence) < 500


def test_an_array_of_texts_is_the_header_and_said_to_be_where_they_are_hardly_names() -> None:
    plain = read(r'[["\u0061", "b"], [1, 2]]')
    assert (list(columns(plain)), plain.notes) == (["a", "b"], ())
    doubtful = read('[["web-1", "/var"], ["web-2", "/"]]', tablename="t")
    said = "the first array is taken for the header; --header A,B names the columns if it is a row"
    assert doubtful.notes == (said,)


def test_an_empty_array_has_no_columns_and_it_is_said_how_it_may_have() -> None:
    reason = r"t\.csv:2:1: the array is empty: there are no columns in it\n  \[\]\n  --header A,B"
    with pytest.raises(InputRejected, match=reason):
        read("\n[]\n")


def test_the_op_of_a_message_need_be_no_text() -> None:
    with pytest.raises(InputRejected, match="op is '1e999'; a message to publish says add_table"):
        read('{"op": 1e999, "table": {}}')


@pytest.mark.parametrize("value", ["null", "true", "\nfalse\n"])
def test_what_jq_prints_of_a_key_that_is_not_there_is_no_empty_table(value: str) -> None:
    reason = "the JSON must be an object or an array of them"
    with pytest.raises(InputRejected, match=reason):
        read(value)
    assert rows(read(value, form="csv")) == []
    assert rows(read(f"{value.strip()}\n1\n")) == [[1]]


@pytest.mark.parametrize("depth", range(900, 1010, 10))
def test_json_that_is_nested_too_deeply_is_said_to_be(depth: int) -> None:
    """Two decoders read it where a key has a quotation mark, each with a bound of its own."""
    deep = f'{{"a\\"b": {"[" * depth}{"]" * depth}}}'
    for text in (deep, f'{deep}\n{{"a": 1}}\n', f"[{deep}]"):
        with contextlib.suppress(InputRejected):
            read(text)
    assert read(f'{{"a": 1}}\n{deep}\n{{"a": 1}}\n', skip_bad_rows=True).publication


@pytest.mark.parametrize(
    ("text", "found", "lines"),
    [
        (b'{"a": oops}\n{"a": 1}\n', [[1]], [1]),
        (b'{\n"a": "\xff"}\n{"a": 1}\n', [[1]], [1]),
        (b'{\n"a": 1}' + b" " * 70_000 + b'\n{"a": 2}\n', [[1], [2]], []),
    ],
)
def test_objects_one_after_another_are_read_beside_bad_ones(
    text: bytes, found: list[list[Any]], lines: list[int]
) -> None:
    reading = read(text, skip_bad_rows=True)
    assert (reading.form, rows(reading)) == ("ndjson", found)
    assert [reject.line for reject in reading.rejects] == lines


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (b'{\n"a": 1}\n{"a":\noops}\n', r"t\.csv:4:1: not JSON from here on\n  oops"),
        (b'{"a": "\xff"}', r"t\.csv:1:8: byte 0xff is not UTF-8"),
        (b'[["a"], {"b": 1}]', r"element 1 is no object\n  \[\"a\"\]"),
    ],
)
def test_json_that_is_one_value_or_ends_in_none_cannot_be_passed_over(
    text: bytes, sentence: str
) -> None:
    with pytest.raises(InputRejected, match=sentence):
        read(text, skip_bad_rows=b"[" not in text)
