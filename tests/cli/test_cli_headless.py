"""Lines without a header, whose columns `--header` names."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest
from command import Qasino, http_url, run_qasino, zmq_url
from hypothesis import given
from hypothesis import strategies as st
from reading import rows

from qasino_cli.errors import InputRejected
from qasino_cli.readers import Reading, Wanted, read_input
from qasino_server.server import Server


def read(text: str, header: str, **wanted: Any) -> Reading:
    names = tuple(header.split(","))
    return read_input("t.txt", text.encode(), Wanted(identity="me", header=names, **wanted))


MD5SUM = """\
d41d8cd98f00b204e9800998ecf8427e  /etc/hosts
0cc175b9c0f1b6a831c399e269772661  /etc/my app.conf
"""
IP_BR_ADDR = """\
lo               UNKNOWN        127.0.0.1/8 ::1/128
eth0             UP             10.0.0.5/24
eth1             DOWN
"""
PASSWD = """\
root:x:0:0:root:/root:/bin/bash
www-data:x:33:33:The Web:/var/www:/usr/sbin/nologin
"""


@pytest.mark.parametrize(
    ("text", "header", "form", "found"),
    [
        (
            MD5SUM,
            "sum,file",
            "columns",
            [
                ["d41d8cd98f00b204e9800998ecf8427e", "/etc/hosts"],
                ["0cc175b9c0f1b6a831c399e269772661", "/etc/my app.conf"],
            ],
        ),
        ("12K\t/var/log, old\n4.0K\t/var/a b\n", "size,dir", "tsv",
         [["12K", "/var/log, old"], ["4.0K", "/var/a b"]]),
        (IP_BR_ADDR, "name,state,addresses", "columns",
         [["lo", "UNKNOWN", "127.0.0.1/8 ::1/128"], ["eth0", "UP", "10.0.0.5/24"],
          ["eth1", "DOWN", None]]),
        (PASSWD, "name,pw,uid,gid,gecos,home,shell", "csv",
         [["root", "x", 0, 0, "root", "/root", "/bin/bash"],
          ["www-data", "x", 33, 33, "The Web", "/var/www", "/usr/sbin/nologin"]]),
        ("12:30:45 cron started\n12:30:46 cron ended\n", "time,unit,what", "columns",
         [["12:30:45", "cron", "started"], ["12:30:46", "cron", "ended"]]),
        ("MemTotal:       16 kB\nMemFree:         3 kB\n", "name,kb", "columns",
         [["MemTotal:", "16 kB"], ["MemFree:", "3 kB"]]),
        ("   3 a b\n  12 c\n", "n,word", "columns", [[3, "a b"], [12, "c"]]),
        ('"a, b",1\n"",\n', "x,y", "csv", [["a, b", 1], ["", None]]),
        ('"a","1"\n"b",""\n', "x,y", "csv", [["a", 1], ["b", None]]),
        ("a\\tb\t1\n\\N\t2\n", "x,y", "tsv", [["a\tb", 1], [None, 2]]),
        ("a;1\nb;2\n", "x,y", "csv", [["a", 1], ["b", 2]]),
        ('"",1\nb,2\n', "x,y", "csv", [["", 1], ["b", 2]]),
        ('"a"b c\n1,2\n', "x,y", "columns", [['"a"b', "c"], ["1,2", None]]),
        ("one, two\n\n  three\t\r\n", "line", "columns", [["one, two"], ["  three\t"]]),
        ("[ 0.1] booted\n[ 0.2] up\n", "line", "columns", [["[ 0.1] booted"], ["[ 0.2] up"]]),
        ("10:01,5 INFO up\n10:02,7 WARN down\n", "time,level,what", "columns",
         [["10:01,5", "INFO", "up"], ["10:02,7", "WARN", "down"]]),
        ("eth0 a,b,c\neth1\n", "name,tags", "columns", [["eth0", "a,b,c"], ["eth1", None]]),
        ("/var\t12\n", "dir,size,more", "columns", [["/var", 12, None]]),
        ("ann wheel,adm\nbob adm,lp\n", "user,groups,more", "columns",
         [["ann", "wheel,adm", None], ["bob", "adm,lp", None]]),
        ("a,b,c\nd\n", "tags,more", "columns", [["a,b,c", None], ["d", None]]),
        ('[["a", 1],\n ["b", null]]', "x,y", "json", [["a", 1], ["b", None]]),
        ('[["a"]]', "line", "json", [["a"]]),
        ("[]", "a,b", "json", []),
        ("", "a,b", "columns", []),
        ("\n\n", "a", "columns", []),
    ],
)  # fmt: skip
def test_each_line_is_a_row_and_what_parts_it_is_told(
    text: str, header: str, form: str, found: list[list[Any]]
) -> None:
    reading = read(text, header, tablename="t")
    assert (rows(reading), reading.form) == (found, form)
    assert [column.name for column in reading.publication.columns] == header.split(",")
    assert reading.renamed == reading.notes == ()


@pytest.mark.parametrize("text", ["# a\n\n#b\n1 2\n3 4\n", "\n# a, b\n1;2\n3;4\n"])
def test_comments_above_the_first_row_are_passed_over_and_said_to_be(text: str) -> None:
    reading = read(text, "x,y")
    assert rows(reading) == [[1, 2], [3, 4]]
    assert reading.notes[0].startswith("passed over before the first row: # a")
    assert rows(read("#general\n#random\n", "channel")) == [["#general"], ["#random"]]
    assert rows(read("# nothing", "a,b")) == []


@pytest.mark.parametrize(
    ("text", "header", "wanted", "sentence"),
    [
        ("total 12\n1 2 3 4\n", "a,b,c,d", {}, r"t\.txt:1:9: the line has 2 words, --header"
         r" names 4 columns\n  total 12\n  --on-error skip"),
        ("1,2\n1,2,3\n", "a,b", {"form": "csv"}, r"t\.txt:2:5: the row has 3 fields, --header 2"),
        ("web1,12,02134\nweb2,7,1\n", "x,y", {}, r"t\.txt:1:9: the row has 3 fields, --header 2"),
        ("web1,12\nweb2,7\n", "x,y,z", {}, r"t\.txt:1:8: the row has 2 fields, --header 3"),
        ("# us, in ms\na;1;2\nb;3\n", "x,y", {}, r"t\.txt:2:5: the row has 3 fields, --header 2"),
        ('"a"b,1,2\nc,3,4\n', "x,y", {}, r"t\.txt:1:4: "),
        ("1 2\n\n1 \0\n", "a,b", {}, r"t\.txt:3:3: a NUL character"),
        ("1,2\nx,2\n", "a,b", {"types": {"a": "integer"}}, r"t\.txt:2:1: column a: 'x' is no"),
        ("1 2\nx 2\n", "a,b", {"types": {"a": "integer"}}, r"t\.txt:2: column a: 'x' is no"),
        ('{"a": 1, "b": 2}\n', "a,b", {}, "JSON has names of its own; -d columns takes"),
        ('{"a": 1}\n{"a": 2}\n', "line", {}, "JSON has names of its own"),
        ('[{"a": [1]}]', "line", {}, "JSON has names of its own"),
        ("[1, 2]", "line", {}, "JSON has names of its own"),
        ('[["a"], [1, 2]]', "line", {}, "t.txt:1:9: row 2 has 2 cells, --header 1"),
        ("1\nt\na\nint\nA\n5\n", "line", {}, "a Qasino CSV table has names of its own"),
    ],
)  # fmt: skip
def test_what_does_not_fit_the_names_is_refused_with_its_place(
    text: str, header: str, wanted: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(InputRejected, match=sentence):
        read(text, header, **wanted)


def test_blanks_are_those_of_the_shell() -> None:
    text = "a\xa0b 12\n\tc\u2003d \t x\u2003\u2003y\xa0 \r\n\x0cz 1\n"
    found = [["a\xa0b", "12"], ["c\u2003d", "x\u2003\u2003y\xa0"], ["\x0cz", "1"]]
    assert rows(read(text, "name,size")) == found
    assert rows(read("a\xa0b:1:2\nc:3:4\n", "a,b,c")) == [["a\xa0b", 1, 2], ["c", 3, 4]]


def test_what_parted_the_lines_is_told_where_blanks_would_have_too() -> None:
    text = "0cc1  main.c,v\nd41d  my util.c,v\n"
    reading = read(text, "sum,file")
    assert rows(reading) == [["0cc1  main.c", "v"], ["d41d  my util.c", "v"]]
    assert reading.notes == ("parted at commas; -d columns parts it at blanks",)
    assert rows(read(text, "sum,file", form="columns")) == [
        ["0cc1", "main.c,v"],
        ["d41d", "my util.c,v"],
    ]


LAST = "root  tty1  Sat Nov 28 10:00   still logged in\n"


@pytest.mark.parametrize("logins", [0, 2])
def test_what_last_prints_below_its_rows_is_none_and_told(logins: int) -> None:
    reading = read(LAST * logins + "\nwtmp begins Tue May  2 00:00:00 2025\n\n", "user,tty,when")
    assert rows(reading) == [["root", "tty1", "Sat Nov 28 10:00   still logged in"]] * logins
    assert reading.notes == ("passed over at its end: wtmp begins Tue May  2 00:00:00 2025",)


def test_what_stands_below_no_blank_line_or_is_taken_as_it_is_is_a_row() -> None:
    assert rows(read("1 cpu\n2 rows\n", "n,what")) == [[1, "cpu"], [2, "rows"]]
    assert rows(read("1 cpu\n\n2 rows\n", "line")) == [["1 cpu"], ["2 rows"]]


def test_of_arrays_nothing_that_is_no_text_can_be_passed_over() -> None:
    wanted = Wanted(identity="me", header=("a", "b"), skip_bad_rows=True)
    with pytest.raises(InputRejected, match=r"^t:2:3: byte 0xff is not UTF-8"):
        read_input("t", b'[["a", 1],\n["\xff", 2]]', wanted)
    reading = read_input("t", b'[["a", 1],\n["b"]]', wanted)
    assert rows(reading) == [["a", 1]]
    assert [reject.raw for reject in reading.rejects] == ['["b"]']


def test_lines_of_json_are_taken_as_they_are_where_that_is_said() -> None:
    text = '{"a": 1, "b": 2}\n{"a": 3}\n'
    assert rows(read(text, "line", form="columns")) == [[line] for line in text.splitlines()]


def test_bad_lines_are_passed_over_and_kept() -> None:
    reading = read("total 12\n1 2 3\n\n4\n5 6 7\n", "a,b,c", skip_bad_rows=True, skip_lines=1)
    assert rows(reading) == [[1, 2, 3], [5, 6, 7]]
    assert [(reject.line, reject.raw) for reject in reading.rejects] == [(4, "4")]


def test_colons_part_three_columns_or_more_and_a_form_that_is_told_its_own() -> None:
    assert rows(read("a:1\nb:2\n", "x,y")) == [["a:1", None], ["b:2", None]]
    assert rows(read("a:1:2\nb:3:4\n", "x,y,z")) == [["a", 1, 2], ["b", 3, 4]]
    assert rows(read("a;1\nb;2\n", "x,y", form="csv")) == [["a", 1], ["b", 2]]
    assert rows(read("a,1\nb,2\n", "x,y", form="csv")) == [["a", 1], ["b", 2]]


def test_lines_are_counted_from_the_top_also_below_comments() -> None:
    reading = read("\n# a\n# b\n1 2 3\n4\n5 6\n", "a,b,c", skip_bad_rows=True)
    assert rows(reading) == [[1, 2, 3], [5, 6, None]]
    assert [(reject.line, reject.column) for reject in reading.rejects] == [(5, 2)]


def test_a_bad_first_line_is_a_row_to_pass_over() -> None:
    reading = read('"a"b,1\n1,2\n', "a,b", form="csv", skip_bad_rows=True)
    assert rows(reading) == [[1, 2]]
    assert [(reject.line, reject.raw) for reject in reading.rejects] == [(1, '"a"b,1')]
    assert rows(read("\n", "a,b", form="csv")) == []


WORD = st.text(st.characters(min_codepoint=33, max_codepoint=126, exclude_characters="#\"'\\,;|:"))


@given(st.data(), st.integers(2, 5))
def test_words_come_back_as_they_were(data: st.DataObject, width: int) -> None:
    table = data.draw(st.lists(st.lists(WORD.filter(bool), min_size=width, max_size=width)))
    gap = data.draw(st.sampled_from([" ", "   "]))
    text = "".join(gap.join(row) + "\n" for row in table)
    names = ",".join("abcde"[:width])
    types = dict.fromkeys(names.split(","), "text")
    with contextlib.suppress(InputRejected):  # a word may be all of a JSON document
        assert rows(read(text, names, types=types)) == table


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("4.0K\t/var/log\n8K\t/var\n", "'/var/log' is taken for a header; --header A,B"),
        ("a,5\nb,6\n", "'5' is taken for a header; --header A,B"),
        ("./a,x\n./b,y\n", "'./a' is taken for a header; --header A,B"),
        ("x  ~/a\ny  ~/b\n", "'~/a' is taken for a header; --header A,B"),
        ("12 a\n13 b\n", "--header A,B names columns where no line does"),
    ],
)
def test_a_first_line_that_looks_like_a_row_is_told_of(text: str, hint: str) -> None:
    assert hint in " ".join(read_input("t.csv", text.encode(), Wanted(identity="me")).notes)


@pytest.mark.parametrize("text", ["a,b\n1,2\n", "name  2\nx     y\n", "a,/b\n", "Mounted on,/x\n"])
def test_a_header_is_not(text: str) -> None:
    notes = read_input("t.csv", text.encode(), Wanted(identity="me")).notes
    assert not any("taken for a header" in note for note in notes) or "/" in text


@pytest.mark.parametrize(
    ("args", "sentence"),
    [
        (("--header", "a b,c"), "--header: column 1: "),
        (("--header", "a,A"), "--header: columns 1 and 2 are both named"),
        (("--header", ""), "--header: column 1"),
        (("--header", "a,"), "--header: column 2"),
        (("--header", "a", "-d", "json"), "json has its own"),
        (("--header", "a", "-d", "qasino-csv"), "qasino-csv has its own"),
        (("--header", "a", "--this-host"), "--header and --on-error do not go with it"),
    ],
)
def test_names_that_cannot_be_are_a_usage_error(args: tuple[str, ...], sentence: str) -> None:
    ran = run_qasino("publish", "--table", "t", *args, stdin="1\n")
    assert (ran.returncode, ran.stdout) == (2, "")
    assert sentence in ran.stderr


@pytest.mark.parametrize("url", [zmq_url, http_url])
def test_checksums_are_a_table(server: Server, url: Any) -> None:
    qasino: Qasino = run_qasino
    given = ("publish", "-s", url(server), "--table", "sums", "-I", "web-1")
    ran = qasino(*given, "--header", "sum,file", stdin=MD5SUM)
    assert ran.stderr == "published sums: 2 rows as web-1, visible in the next generation\n"
    server.rotate()
    ran = qasino("sql", "-s", url(server), "-q", "select file from sums where sum like 'd41%'")
    assert ran.stdout == "file\n/etc/hosts\n"
