"""Qasino CSV and Qasino messages; the other forms are in test_cli_forms."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from command import TABLE_CSV

from qasino_cli.errors import InputRejected
from qasino_cli.outgoing import encode_publication
from qasino_cli.readers import Wanted, read_file, read_input
from qasino_server.message import Publish, decode_request

INNER: dict[str, Any] = {
    "tablename": "t",
    "column_names": ["a", "b"],
    "column_types": ["ip", "int"],
    "rows": [["x", 1], [None, 2]],
}


def read(content: Any, **options: Any) -> Any:
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    return read_input("FILE", body, Wanted(identity="me", **options)).publication


def test_a_qasino_csv_table_becomes_a_publication() -> None:
    publication = read(TABLE_CSV.encode())
    assert publication.tablename == "myapplication_table1"
    assert [column.type for column in publication.columns] == ["TEXT", "TEXT", "INTEGER", "INTEGER"]
    assert publication.rows_json == '[["1.2.3.4","BOS",123,456]]'
    assert publication.identity == "me"


def test_the_inner_table_and_the_whole_message_are_the_same_table() -> None:
    whole = {"op": "add_table_data", "identity": "me", "table": INNER}
    assert read(whole) == read(INNER)


def test_the_identity_and_the_flags_of_a_message_are_kept() -> None:
    publication = read({"identity": "other", "persist": "yes", "ttl_s": 9, "table": INNER})
    assert (publication.identity, publication.persist, publication.ttl_s) == ("other", True, 9.0)


def test_a_byte_order_mark_and_blanks_before_json_are_passed_over() -> None:
    assert read(b"\xef\xbb\xbf\n  " + json.dumps(INNER).encode()).tablename == "t"


def test_what_is_sent_reads_back_as_what_was_read() -> None:
    whole = {
        "identity": "o",
        "update": 1,
        "keycols": "a",
        "ttl_s": 3,
        "replace": True,
        "table": INNER | {"column_descriptions": ["x", ""]},
    }
    publication = read(whole)
    assert decode_request(encode_publication(publication)) == Publish(publication)


@pytest.mark.parametrize("nr_rows", [1000, 30_000])
def test_a_message_of_any_length_is_read(nr_rows: int) -> None:
    rows = [["x", n] for n in range(nr_rows)]
    assert json.loads(read(INNER | {"rows": rows}).rows_json) == rows
    rows.append(["y"])
    with pytest.raises(InputRejected, match=f"row {nr_rows + 1}"):
        read(INNER | {"rows": rows})


def test_a_number_outside_a_double_survives() -> None:
    body = json.dumps(INNER).replace("[null, 2]", "[9e999, 123456789012345678901]").encode()
    assert "9e999, 123456789012345678901" in read(body.replace(b'"ip"', b'"real"')).rows_json


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b" \n", "FILE: there is nothing in it"),
        (b'{"a": 1,\n}', "FILE:2:1: not JSON: trailing comma in object"),
        (b'{"a":\n NaN}', "FILE:2:2: not JSON: invalid character"),
        (b'{"tablename": "t",\n', "FILE:1:19: not JSON: Input data was truncated"),
        (
            b'{"tablename": "t", "column_names": ["\xc3\xa9"\n ?}',
            "FILE:2:2: not JSON: expected ','",
        ),
        (b'{"column_names": ["a"], "rows":\n\n', "FILE:1:32: not JSON: Input data was truncated\n"),
        ([INNER], "FILE: line 1: the JSON must be one object, {..}"),
        (b'{"a": "\xff"}', "FILE:1:8: byte 0xff is not UTF-8"),
        (b"[1]", "FILE:1:2: element 1 is no object"),
        (
            {"op": "query", "table": INNER},
            "FILE: op is 'query'; a message to publish says add_table_data",
        ),
        (INNER | {"column_types": ["ip"]}, None),
        ({"tablename": "t", "column_names": ["a"]}, "FILE: table.column_types is missing"),
        (
            INNER | {"rows": [["x", 1], ["y"]]},
            'FILE: row 2 has 1 cells, the table has 2 columns: ["y"]',
        ),
        (INNER | {"rows": ["[1,2]"]}, 'FILE: row 1 must be an array of cells, not "[1,2]"'),
        (INNER | {"rows": 3}, "FILE: table.rows must be a JSON array of rows, each an array of"),
        (INNER | {"column_types": ["ip", "blob"]}, "FILE: column 2 (b): 'blob' is not a column"),
        (TABLE_CSV.replace("123", "many").encode(), "FILE:6:13: column stat1: 'many' is not a"),
        (TABLE_CSV.replace(",456", "").encode(), "FILE:6: the row has 3 cells, the table"),
    ],
)
def test_bad_input_is_rejected_with_the_file_the_place_and_the_reason(
    content: Any, sentence: str | None
) -> None:
    with pytest.raises(InputRejected) as caught:
        read(content)
    assert caught.value.sentence.startswith(sentence or "FILE: table.column_names has 2 entries")


def test_bad_rows_are_passed_over_for_the_rows_alone_not_for_the_head() -> None:
    head = "1\nt\nAa, Bb\nint,int\n,\n"
    reading = read_input(
        "FILE", f"{head}1,2\r\n1,x\r\n".encode(), Wanted(identity="me", skip_bad_rows=True)
    )
    assert (reading.publication.identity, reading.publication.rows_json) == ("me", "[[1,2]]")
    assert [(r.line, r.column, r.raw) for r in reading.rejects] == [(7, 3, "1,x")]
    for skip in (False, True):
        with pytest.raises(InputRejected) as caught:
            read(f"{head}1,2\nx,1\n".replace("int,int", "int,nosuch").encode(), skip_bad_rows=skip)
        assert caught.value.sentence.startswith(
            "FILE: lines 3 and 4: column 2 (Bb): 'nosuch' is not a"
        )
        assert "--on-error" not in caught.value.sentence


def test_a_form_that_is_forced_leaves_the_choice_among_its_kind() -> None:
    def form(content: str, forced: str) -> tuple[str, str]:
        wanted = Wanted(identity="me", form=forced, tablename="u")
        reading = read_input("FILE", content.encode(), wanted)
        return reading.form, reading.publication.tablename

    assert form(TABLE_CSV, "csv") == ("qasino-csv", "u")
    assert form('{"a": 1}\n{"a": 2}\n', "json") == ("ndjson", "u")
    assert form(json.dumps(INNER), "json") == ("json", "u")
    with pytest.raises(InputRejected, match="xml is not a form; there are qasino-csv, csv, tsv, "):
        form("a,b\n1,2\n", "xml")
    with pytest.raises(InputRejected, match="FILE: there is nothing in it"):
        form("\ufeff\n", "csv")


PADDED = (
    "1,,,\r\napp_stats,,,\r\nhost,dc,frobs,foobs\r\nstring,string,integer,integer\r\n"
    'Host,DC,"Num, frobs",\r\nweb-1,BOS,123,456\r\n,,,\r\n'
)
"""As a spreadsheet saves it."""
WIDER = "1,persist=1,ttl_s=9,\nt,,,\na,b,,\nint,text,,\nA,B,,\n1,,,\n2,x,,\n"
QUOTED = '"1",""\n"qt",""\n"a","b"\n"int","text"\n"A",""\n"1","x"\n'


@pytest.mark.parametrize(
    ("text", "tablename", "rows"),
    [
        (PADDED, "app_stats", [["web-1", "BOS", 123, 456], ["", "", None, None]]),
        (WIDER, "t", [[1, ""], [2, "x"]]),
        (QUOTED, "qt", [[1, "x"]]),
        (QUOTED.replace(',""\n', "\n"), "qt", [[1, "x"]]),
        (QUOTED.replace('"1",""', '"1","persist=1"'), "qt", [[1, "x"]]),
        (WIDER.replace("1,persist=1,ttl_s=9,", "1,,,"), "t", [[1, ""], [2, "x"]]),
        (WIDER.replace("t,,,", "t"), "t", [[1, ""], [2, "x"]]),
    ],
)
@pytest.mark.parametrize("form", [None, "csv", "qasino-csv"])
def test_a_qasino_csv_table_is_read_as_a_spreadsheet_saves_it(
    text: str, tablename: str, rows: list[list[Any]], form: str | None
) -> None:
    reading = read_input("FILE", text.encode(), Wanted(identity="me", form=form))
    assert (reading.form, reading.publication.tablename) == ("qasino-csv", tablename)
    assert json.loads(reading.publication.rows_json) == rows


@pytest.mark.parametrize(
    ("text", "place"),
    [
        (WIDER + "3,x,,y\n", ":8: the row has 4 cells, the table has 2 columns"),
        (WIDER + "3\n", ":8: the row has 1 cells"),
        (WIDER.replace("A,B,,", "A,B,,C"), ":5: 4 descriptions for 2 columns"),
        (WIDER.replace("persist=1", ""), ":1: '' is not an option"),
        ("1\nt\na,b\nint,text\nA,B\n1,x,\n", ":6: the row has 3 cells"),
        ("1\nt\na,b,\nint,text,\nA,B\n1,x\n", ": lines 3 and 4: column 3: '' is not a"),
        (PADDED.replace(",", ";"), ":1: '1;;;' has semicolons, a Qasino CSV table has commas"),
    ],
)
def test_cells_that_are_too_many_are_refused_where_a_spreadsheet_did_not_put_them(
    text: str, place: str
) -> None:
    with pytest.raises(InputRejected) as caught:
        read(text.encode())
    assert caught.value.sentence.startswith(f"FILE{place}")


@pytest.mark.parametrize(
    "text",
    [
        "1,,,\nt,,,\na,b,c,d\n1,2,3,4\n",
        "1,,,\nt,u,,\na,b,c,d\nint,int,int,int\n",
        "1,,,\nt,,,\na,b,c,d\nint,int,int,money\n",
        '"1","x"\n"t",""\n"a","b"\n"1","2"\n',
    ],
)
def test_a_plain_csv_with_a_column_1_is_no_qasino_csv(text: str) -> None:
    reading = read_input("FILE", text.encode(), Wanted(identity="me", tablename="u"))
    assert (reading.form, len(json.loads(reading.publication.rows_json))) == ("csv", 3)


def test_bad_rows_of_a_padded_table_are_passed_over() -> None:
    wanted = Wanted(identity="me", skip_bad_rows=True)
    reading = read_input("FILE", (WIDER + "x,y,,\n3,z,,\n4,z,,z\n").encode(), wanted)
    assert json.loads(reading.publication.rows_json) == [[1, ""], [2, "x"], [3, "z"]]
    assert [(r.line, r.column, r.raw) for r in reading.rejects] == [
        (8, 1, "x,y,,"),
        (10, None, "4,z,,z"),
    ]


def test_the_form_can_be_forced() -> None:
    with pytest.raises(InputRejected, match="not JSON"):
        read(TABLE_CSV.encode(), form="json")


def test_a_file_that_cannot_be_read_is_rejected(tmp_path: Path) -> None:
    with pytest.raises(InputRejected, match="nosuch: No such file or directory"):
        read_file(str(tmp_path / "nosuch"))
    with pytest.raises(InputRejected, match="Is a directory"):
        read_file(str(tmp_path))
