"""Nothing an input holds is changed, moved to another column or left out unseen."""

from __future__ import annotations

import gzip
import json
import math
import re
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from reading import names, read, rows

from qasino_cli.errors import InputRejected
from qasino_cli.readers import Reading
from qasino_cli.sql.present import present
from qasino_server.real import real_text
from qasino_server.table import Result


def types(reading: Reading) -> list[str]:
    return [column.type for column in reading.publication.columns]


# --- Numbers -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cells", "kind"),
    [
        (["1.9", "1.10"], "TEXT"),
        (["12.50", "3.00", "1.25"], "REAL"),
        (["2.0", "12.25", "3"], "REAL"),
        (["12.5", "3"], "REAL"),
        (["12.50", "3"], "TEXT"),
        ([*["3"] * 5000, "3.10"], "TEXT"),
        ([*["3"] * 4096, "3.10"], "TEXT"),
        (["12.50", "3.5"], "TEXT"),
        (["1e5", "2e7"], "TEXT"),
        (["1.0e+20", "1e-07"], "REAL"),
        (["1.5E+20", "1.0e5"], "REAL"),
        (["1E5"], "TEXT"),
        (["0.10000000000000001"], "REAL"),
        (["0.00000123456789012345"], "REAL"),
        (["1e-400"], "TEXT"),
        (["3e-324"], "TEXT"),
        (["-9223372036854775808"], "INTEGER"),
        (["-9223372036854775809"], "TEXT"),
        (["-0.00", "1.50"], "REAL"),
        (["12345678901234567890.5"], "TEXT"),
        (["9007199254740993", "1.5"], "TEXT"),
        (["1.5", "9007199254740993"], "TEXT"),
        (["9007199254740992", "10000000000000000000000", "1.5"], "REAL"),
        (["9007199254740993", "2"], "INTEGER"),
        ([" 1"], "TEXT"),
        ([".5"], "TEXT"),
        (["Inf"], "TEXT"),
    ],
)
def test_a_number_is_one_only_as_a_person_would_see_it(cells: list[str], kind: str) -> None:
    found = read("k,a\n" + "".join(f"x,{cell}\n" for cell in cells))
    assert types(found)[1] == kind
    for cell, sent in zip(cells, found.publication.rows_json[2:-2].split("],["), strict=True):
        assert sent == (f'"x",{cell}' if kind != "TEXT" else f'"x",{json.dumps(cell)}')


def test_a_whole_number_that_keeps_a_column_text_is_named() -> None:
    (why,) = (found.why for found in read("a\n1\n9007199254740993\n1.5\n").inferred)
    assert why == "row 2: 9007199254740993 beside decimal numbers would lose digits"


@given(st.lists(st.integers(-(1 << 63), (1 << 63) - 1), min_size=1, max_size=3))
def test_whole_numbers_beside_a_decimal_one_keep_their_digits(numbers: list[int]) -> None:
    found = read("a,b\n" + "".join(f"{n},x\n" for n in [*numbers, 1.5]))
    if types(found)[0] == "REAL":
        for n in numbers:
            assert n in (int(Decimal(f"{float(n):{form}}")) for form in ("", ".17g"))
    else:
        assert [row[0] for row in rows(found)] == [*map(str, numbers), "1.5"]


def test_a_version_is_no_quantity() -> None:
    found = read("host,version\na,1.10\n")
    assert found.inferred[1].why == "row 1: '1.10' is a version, by its column's name"
    assert types(read("host,version\na,12\n"))[1] == "INTEGER"


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        *((name, "TEXT") for name in ("kernelVersion", "app_ver", "VER", "Release", "rev")),
        *((name, "TEXT") for name in ("os release", "revision_of_it")),
        *((name, "REAL") for name in ("driver", "verbose", "revenue", "prev", "released")),
    ],
)
def test_a_column_of_versions_is_known_by_its_name(name: str, kind: str) -> None:
    assert types(read(f"{name},b\n1.10,2.50\n")) == [kind, "REAL"]


GERMAN = "Host;Umsatz;Last\r\nA;1.234;0,5\r\nB;12.345;1,5\r\nC;999.000;2,25\r\n"
"""As a German spreadsheet saves it: 1.234 is 1234."""
THOUSANDS = "row 1: '1.234' may be thousands; --types Umsatz=real if not"


@pytest.mark.parametrize(
    "text",
    [
        GERMAN,
        GERMAN.replace("12.345", "12"),
        GERMAN.replace("12.345", "-12.345"),
        GERMAN.replace("0,5", "1.234,50").replace("1,5", "1,5 €"),
        GERMAN.replace("0,5", "7,50 €"),
        GERMAN.replace("0,5", "1.234"),
        GERMAN.replace("B;", "1.10;").replace("C;", "1.9;").replace("A;", "1.1;"),
        GERMAN + "D;1.250;x\r\n" * 5000,
        GERMAN.replace("A;1.234", "A;") + "D;1.234;1\r\n" * 5000,
    ],
)
def test_what_may_be_thousands_beside_decimal_commas_stays_text_and_is_told(text: str) -> None:
    found = read(text)
    first = next(row[1] for row in rows(found) if row[1])
    assert (types(found)[1:], first) == (["TEXT", "TEXT"], text.split(";")[3] or "12.345")
    why = found.inferred[1].why
    assert why.partition(": ")[2] == THOUSANDS.partition(": ")[2].replace("1.234", first)
    assert found.notes == (f"Umsatz is text: {why}",)
    with_types = read(text, types={"umsatz": "real"})
    assert (types(with_types)[1], with_types.notes) == ("REAL", ())


@pytest.mark.parametrize("wish", [{"Last": "text"}, {"Host": "text", "Last": "text"}])
def test_a_column_of_decimal_commas_is_a_sign_also_where_its_type_is_told(
    wish: dict[str, str],
) -> None:
    found = read(GERMAN, types=wish)
    assert (types(found)[1], found.inferred[1].why) == ("TEXT", THOUSANDS)
    assert found.inferred[2].why == "as --types says"


@pytest.mark.parametrize(
    "text",
    [
        GERMAN.replace(",", "."),
        GERMAN.replace(",", "x"),
        GERMAN.replace("12.345", "0.345"),
        GERMAN.replace("12.345", "1234.345"),
        GERMAN.replace("A;", "0.5;").replace("B;", "1.5;").replace("C;", "2.5;"),
        GERMAN.replace(";", "\t"),
        GERMAN.replace(",", "/").replace(";", ","),
        GERMAN.replace("0,5", "a,b").replace("1,5", "a,b"),
    ],
)
def test_three_decimals_are_decimals_where_nothing_says_that_they_are_thousands(text: str) -> None:
    found = read(text)
    assert types(found)[1] == "REAL"
    assert not found.notes


@pytest.mark.parametrize("above", [4096, 5000])
@pytest.mark.parametrize(
    ("many", "then", "why"),
    [
        ("1", ["x", "y"], "'x' is no number"),
        ("3", ["3.10", "3.20"], "'3.10' beside cells with other decimals"),
        ("1.5", ["9007199254740993", "9007199254740995"], "9007199254740993 beside decimal"),
        ("1", ['""', '""'], "an empty text is no number"),
    ],
)
def test_the_first_row_that_makes_a_column_text_is_named_however_far_down(
    above: int, many: str, then: list[str], why: str
) -> None:
    cells = [*[many] * above, then[0], *[many] * 5000, then[1]]
    found = read("k,a\n" + "".join(f"x,{cell}\n" for cell in cells))
    assert found.inferred[1].why.startswith(f"row {above + 1}: {why}")


def test_cells_that_are_empty_do_not_count_as_whole_numbers() -> None:
    found = read("k,a\n" + "x,\n" * 5000 + "x,12.50\nx,3.00\n")
    assert (types(found)[1], found.inferred[1].why) == ("REAL", "all 2 cells are numbers")


def test_an_empty_text_among_numbers_is_not_made_null() -> None:
    assert rows(read('a,b\n"",1\n5,2\n')) == [["", 1], ["5", 2]]
    assert rows(read("a\tb\n\tx\n\\N\ty\n5\tz\n")) == [["", "x"], [None, "y"], ["5", "z"]]
    assert rows(read('"a","b"\n"1",""\n"2","3"\n')) == [[1, None], [2, 3]]


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_every_real_of_an_answer_comes_back_as_that_real(value: float) -> None:
    found = read(f"a,b\n{real_text(value)},x\n")
    assert (types(found)[0], rows(found)[0][0]) == ("REAL", value)


def test_json_numbers_and_nested_values_keep_every_digit_and_blank() -> None:
    assert rows(read('[{"a": 1.10}, {"a": "x"}]')) == [["1.10"], ["x"]]
    assert rows(read('[{"a": 0.12345678901234567890123}]')) == [["0.12345678901234567890123"]]
    assert rows(read('[{"a": {"v": 1.10, "b": [1,2]}}]')) == [['{"v": 1.10, "b": [1,2]}']]
    assert rows(read('[{"a": 1e999}]')) == [["1e999"]]
    assert types(read('[{"a": -9223372036854775808}]')) == ["INTEGER"]


@pytest.mark.parametrize(
    ("values", "kind", "why"),
    [
        (["9007199254740992", "0.5"], "REAL", "all are numbers"),
        (
            ["9007199254740993", "1000000000000000", "0.5"],
            "TEXT",
            "whole numbers beside decimal ones",
        ),
        (["-9007199254740993", "0.5"], "TEXT", "whole numbers beside decimal ones"),
        (["9223372036854775808", "1"], "TEXT", "'9223372036854775808' has more digits"),
        (["-0.0", "0e5", "1"], "REAL", "all are numbers"),
        (["1", "true"], "INTEGER", "all are whole numbers"),
        (["true", "null"], "INTEGER", "true is 1"),
        (["[1]", '{"b": 1.0}'], "TEXT", "arrays and objects are kept as their JSON"),
        (["[1]", "2"], "TEXT", "text and other values are mixed"),
        (["[1]", '"x"', "true"], "TEXT", "text and other values are mixed"),
    ],
)
def test_what_a_column_of_json_is_and_why(values: list[str], kind: str, why: str) -> None:
    found = read("".join(f'{{"a": {value}}}\n' for value in values), form="ndjson")
    assert (types(found)[0], found.inferred[0].why[: len(why)]) == (kind, why)
    for value, (cell,) in zip(values, rows(found), strict=True):
        assert cell == (value if kind == "TEXT" and value[0] != '"' else json.loads(value))


@pytest.mark.parametrize(
    ("kind", "cells", "sent", "refused"),
    [
        ("int", [" 07 ", "+5", "", " ", "-9223372036854775808"],
         "7 5 null null -9223372036854775808",
         ["1_0", "1.0", "x", "9223372036854775808", "-9223372036854775809"]),
        ("real", ["1", "1e5", "", " ", "inf", "-Infinity"], "1.0 100000.0 null null 9e999 -9e999",
         ["nan", "1_0.0", "0x1"]),
        ("text", ["007", "1.10"], '"007" "1.10"', []),
    ],
)  # fmt: skip
def test_a_type_that_is_told_takes_what_is_of_it_alone(
    kind: str, cells: list[str], sent: str, refused: list[str]
) -> None:
    lines = [f"{cell},x" for cell in [*refused, *cells]]
    found = read("\n".join(["a,b", *lines]), types={"a": kind}, skip_bad_rows=True)
    assert found.publication.rows_json == "[" + ",".join(f'[{s},"x"]' for s in sent.split()) + "]"
    assert [reject.raw for reject in found.rejects] == lines[: len(refused)]
    assert found.inferred[0].why == "as --types says"


def test_a_type_that_is_told_takes_values_of_json_as_the_text_they_are() -> None:
    values = ['"07"', "8", "true", "false", "null", '" "', '"x"', "[1]", '"true"']
    objects = [f'{{"a": {value}}}' for value in values]
    found = read(f"[{','.join(objects)}]", types={"a": "int"}, skip_bad_rows=True)
    assert rows(found) == [[7], [8], [1], [0], [None], [None]]
    assert [reject.raw for reject in found.rejects] == objects[6:]
    texts = ["07", "8", "true", "false", None, " ", "x", "[1]", "true"]
    assert rows(read(f"[{','.join(objects)}]", types={"a": "text"})) == [[text] for text in texts]


def test_rows_below_very_many_that_do_not_fit_are_kept() -> None:
    text = "a,b\n" + "x,1\n" * 4096 + "3,4\n"
    found = read(text, types={"a": "int"}, skip_bad_rows=True)
    assert (rows(found), len(found.rejects)) == ([[3, 4]], 4096)
    with pytest.raises(
        InputRejected, match=r"^t\.csv:2:1: column a: .*\n  x,1\n  --types a=text k"
    ):
        read(text, types={"a": "int"})
    with pytest.raises(InputRejected, match=r"^t\.csv:2:3: column b: 'y' is no REAL\n"):
        read("a,b\nx,y\n", types={"B": "real"})


# --- Nothing is left out unseen ------------------------------------------------------------------


def test_rows_after_an_open_quote_are_not_swallowed() -> None:
    found = read('a,b\n1,"x\n2,3\n4,"y"z\n5,6\n', skip_bad_rows=True)
    assert rows(found) == [[2, 3], [5, 6]]
    assert [(r.line, r.column, r.raw) for r in found.rejects] == [(2, 3, '1,"x'), (4, 6, '4,"y"z')]


def test_a_key_that_an_object_has_twice_is_an_error() -> None:
    with pytest.raises(InputRejected, match=r't\.csv:2:8: the object has the key "a" twice'):
        read('{"a":3}\n{"a":1,"a":2}\n')
    text = '[{"a":1,"a":2},{"a":{"a":1}},3,{"a\\"":4, "a":5}]'
    found = read(text, skip_bad_rows=True)
    assert rows(found) == [['{"a":1}', None], ["5", 4]]
    assert [(r.line, r.raw) for r in found.rejects] == [(1, '{"a":1,"a":2}'), (1, "3")]


@pytest.mark.parametrize(("bad", "raw"), [(b"\xff", "\\xff"), (b"\0", "\0")])
def test_a_row_with_bytes_that_are_no_text_can_be_passed_over(bad: bytes, raw: str) -> None:
    for form, text, kept in (
        ("csv", b"a,b\n1,%b\n2,3\n", [[2, 3]]),
        ("tsv", b"a\tb\n1\t%b\n2\t3\n", [[2, 3]]),
        ("ndjson", b'{"a":"%b"}\n{"a":2}\n', [[2]]),
        ("qasino-csv", b"1\nt\na,b\nint,text\n,\n1,%b\n2,x\n", [[2, "x"]]),
        ("openmetrics", b'a_b{x="%b"} 1\nc_d 2\n', [["c_d", None, None, 2.0]]),
        ("columns", b"a   b\nx%b  1\nyz  2\n", [["yz", 2]]),
    ):
        found = read(text % bad, skip_bad_rows=True)
        assert (found.form, rows(found), len(found.rejects)) == (form, kept, 1)
        assert raw in found.rejects[0].raw


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
@pytest.mark.parametrize(("bad", "shown"), [(b"\xff", r"\xff"), (b"\0", r"\x00")])
def test_a_byte_that_is_no_text_is_told_by_its_line_however_lines_end(
    end: bytes, bad: bytes, shown: str
) -> None:
    for above in (b"", b"\xef\xbb\xbf"):
        with pytest.raises(InputRejected) as caught:
            read(above + "a,b\né,".encode().replace(b"\n", end) + bad + end + b"2,3" + end)
        first, second, _ = caught.value.sentence.splitlines()
        assert first.startswith("t.csv:2:3: ")
        assert second == f"  é,{shown}"
        with pytest.raises(InputRejected, match=r"t\.csv:1:2: "):
            read(above + b"a" + bad + end + b"2" + end)


def test_a_byte_that_is_no_text_is_found_in_every_line_of_a_row() -> None:
    found = read(b'\xef\xbb\xbfa,b\n1,"x\ny\xff"\n2,3\n', skip_bad_rows=True)
    assert (rows(found), found.renamed) == ([[2, 3]], ())
    assert [(r.line, r.column, r.raw) for r in found.rejects] == [(2, 2, '1,"x\ny\\xff"')]


def test_rejects_are_in_the_order_of_their_lines_whatever_is_wrong() -> None:
    found = read(f"{QASINO_HEADER}a,x\n".encode() + b"\xff,1\n1\nb,2\n", skip_bad_rows=True)
    assert [reject.line for reject in found.rejects] == [6, 7, 8]


def test_control_characters_alone_make_no_program_of_a_text() -> None:
    assert rows(read("a,b\n\x01\x02\x03\x04,x\n")) == [["\x01\x02\x03\x04", "x"]]


def test_a_few_nul_characters_make_no_program_of_a_text() -> None:
    with pytest.raises(InputRejected, match=r"^t\.csv:2:3: a NUL character stands there"):
        read(b"a,b\n1,\0\0\n" + b"x,y\n" * 50)


def test_bad_rows_of_a_qasino_table_are_found_by_the_servers_own_rules() -> None:
    good = [f'{n},"x\ny"\n' for n in range(50)]
    lines = [*good[:20], "many,x\n", *good[20:], "1,2,3\n"]
    found = read("1\nt\na,b\nint,text\nA,B\n" + "".join(lines), skip_bad_rows=True)
    assert rows(found) == [[n, "x\ny"] for n in range(50)]
    assert [(r.line, r.column, r.raw) for r in found.rejects] == [
        (46, 1, "many,x"),
        (107, None, "1,2,3"),
    ]


def test_a_whole_number_over_64_bits_is_no_integer_even_if_it_is_told_to_be() -> None:
    with pytest.raises(InputRejected, match=r"t\.csv:2:3: column b: '9{20}' is no INTEGER"):
        read(f"a,b\nx,{'9' * 20}\n", types={"b": "int"})


@pytest.mark.parametrize("above", ["", "# made by x\n", "#\tx\n\n# y\r\n", "sep=\t\r\n"])
@pytest.mark.parametrize(
    "table", ['"a"\t"b"\t"c"\n"1"\t"x"\t\n', '"a"\tb\tc\n1\t"x"\t\n2\t"y\tz"\t\n']
)
def test_quotes_of_tsv_are_quotes_whatever_stands_above_the_header(above: str, table: str) -> None:
    found = read(above + table)
    assert (found.form, names(found)) == ("tsv", ["a", "b", "c"])
    assert rows(found)[0] == [1, "x", None]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('a\tb\n"x"\ty\n', [['"x"', "y"]]),
        ('a\tb\n"x"\ty\n1\t2\t3\n', [['"x"', "y"]]),
        ('a\tb\n"x"y\t1\t2\n"z"\t4\n', [['"z"', 4]]),
        ('a\tb\n"x"\t"y\tz"\n', [["x", "y\tz"]]),
    ],
)
def test_quotes_of_tsv_are_text_unless_only_they_make_its_rows_alike(
    text: str, found: list[Any]
) -> None:
    assert rows(read(text, form="tsv", skip_bad_rows=True)) == found


def test_a_backslash_n_says_nothing_of_empty_cells_where_nothing_is_escaped() -> None:
    assert rows(read("a\tb\n\\N\t1\nC:\\x\t\n")) == [["\\N", 1], ["C:\\x", None]]


def test_a_header_that_needs_its_quotes_says_nothing_of_others() -> None:
    assert rows(read('"x,1","y,2"\n"",5\n3,4\n')) == [["", 5], ["3", 4]]


def test_backslashes_of_a_text_that_escapes_nothing_stay() -> None:
    assert rows(read("p\tq\nC:\\new\t1\nC:\\Users\t2\n")) == [["C:\\new", 1], ["C:\\Users", 2]]
    assert rows(read("p\tq\nC:\\\\new\t1\n")) == [["C:\\new", 1]]


@pytest.mark.parametrize(
    ("text", "form", "found"),
    [
        ("# made by x\n# at y\na,b\n1,2\n", "csv", [[1, 2]]),
        ("# made by x\n\n# at y\r\n\r\n\na,b\n1,2\n", "csv", [[1, 2]]),
        ("#host,cpu\nx,1\n", "csv", [["x", 1]]),
        ("name\tage, y\nx, y\t3\n", "tsv", [["x, y", 3]]),
        ('a\tb\n"x\ny"\t1\n', "tsv", [["x\ny", 1]]),
        ('{\n "a": 1\n}\n{\n "a": 2\n}\n', "ndjson", [[1], [2]]),
        ("a,b\nx\x0cy,\u2028z\x85\n", "csv", [["x\x0cy", "\u2028z\x85"]]),
        ("a\tb\nx\ty\r\r\n", "tsv", [["x", "y\r"]]),
        ("a\tb\n\n1\tx\n\r\n2\ty\n", "tsv", [[1, "x"], [2, "y"]]),
        ("a\tb\nx\\Ny\t1\n", "tsv", [["x\\Ny", 1]]),
        ('a,b,c\n"x""y","",\n', "csv", [['x"y', "", None]]),
        ("a\nx\ty\n\\N\n", "csv", [["x\ty"], ["\\N"]]),
        ("\r\n\r\n# x\r\na,b\r\n1,2\r\n", "csv", [[1, 2]]),
        (f"a,b\n{'x' * 200_000},1\n", "csv", [["x" * 200_000, 1]]),
        ("1\rt\ra,b\rint,int\ra,b\r1,2\r", "qasino-csv", [[1, 2]]),
        ('{"tablename": "hosts", "nr_rows": 3}', "json", [["hosts", 3]]),
    ],
)
def test_odd_but_sound_inputs_are_read(text: str, form: str, found: list[Any]) -> None:
    reading = read(text)
    assert (reading.form, rows(reading)) == (form, found)


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("wanted", [{}, {"header": ("a", "b")}])
def test_lines_with_a_hash_are_passed_over_and_told_of(end: str, wanted: dict[str, Any]) -> None:
    lines = ["# made by x", "# at y", *([] if wanted else ["a,b"]), "#1,2", "#3,4"]
    reading = read(end.join([*lines, ""]), **wanted)
    assert rows(reading) == [["#1", 2], ["#3", 4]]
    before = "the first row" if wanted else "the header"
    assert reading.notes == tuple(f"passed over before {before}: {line}" for line in lines[:2])


@pytest.mark.parametrize("end", ["", "\n"])
def test_a_row_that_begins_with_a_hash_is_no_comment(end: str) -> None:
    named, unnamed = "#id,title\n#12,a\n#13,b" + end, "#12,a\n#13,b\nx,c" + end
    assert rows(read(named)) == [["#12", "a"], ["#13", "b"]]
    assert rows(read(unnamed, header=("a", "b"))) == [["#12", "a"], ["#13", "b"], ["x", "c"]]
    assert not read(named).notes


@pytest.mark.parametrize(
    ("text", "form", "found"),
    [
        ('a\nx\n\n""\n', "csv", ["x", None, ""]),
        ('\n\r\na\r\nx\r\n\r\n\r\n""\r\n', "csv", ["x", None, None, ""]),
        ("a\n\n1\n\n2\n", "csv", [None, 1, None, 2]),
        ("a\nx\n\\N\n\n", "tsv", ["x", None, ""]),
        ("a\n\\N\nC:\\\\x\n\n\n", "tsv", [None, "C:\\x", "", ""]),
        ("a\nC:\\x\n\\N\n", "csv", ["C:\\x", "\\N"]),
    ],
)
def test_a_blank_line_of_one_column_is_a_row(text: str, form: str, found: list[Any]) -> None:
    reading = read(text)
    assert (reading.form, rows(reading)) == (form, [[cell] for cell in found])
    assert not any("blank" in note for note in reading.notes)


@pytest.mark.parametrize(
    ("text", "form", "found"),
    [
        ('note\n"a, b"\n\\N\n"say ""hi"""\n', "csv", ["a, b", "\\N", 'say "hi"']),
        ('note\nx\n\\N\n"two\nlines"\n', "csv", ["x", "\\N", "two\nlines"]),
        ('note\n"hi" he said\n\\N\n"yes"\n', "tsv", ['"hi" he said', None, '"yes"']),
        ('note\n17" wide\n\\N\n', "tsv", ['17" wide', None]),
    ],
)
def test_a_column_with_a_backslash_n_is_no_tsv_where_its_cells_stand_in_quotes(
    text: str, form: str, found: list[Any]
) -> None:
    reading = read(text)
    assert (reading.form, rows(reading)) == (form, [[cell] for cell in found])


@pytest.mark.parametrize(("end", "note"), [("\n", "a blank line"), ("\n\r\n", "2 blank lines")])
def test_blank_lines_at_the_end_of_one_column_are_told_of(end: str, note: str) -> None:
    for text, wanted in (("a\nx\n", {}), ("x\n", {"header": ("a",)}), ("a\nx\n", {"form": "tsv"})):
        reading = read(text + end, **({"form": "csv"} | wanted))
        assert rows(reading) == [["x"]]
        assert reading.notes == (f"passed over at its end: {note}",)
    assert read(f"a,b\nx,y\n{end}").notes == ()


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"\x7fELFabc,\xfe\n", "an ELF program"),
        (b"\x89PNG\r\n\x1a\n\0", "a PNG picture"),
        (b"PK\x03\x04a,b\n1,2\n", "a ZIP archive"),
        (b"\xfd7zXZ\0\0", "xz -dc FILE unpacks it"),
        ("a,b\n".encode("utf-16"), "this is UTF-16"),
        ("\ufeffa,b\n".encode("utf-16-be"), "this is UTF-16"),
        (b"BZh91AY&SY", "bzip2 -dc FILE unpacks it"),
        (b"\x28\xb5\x2f\xfd\x04", "zstd -dc FILE unpacks it"),
        (b"\x04\x22\x4d\x18a", "lz4 -dc FILE unpacks it"),
        (b"%PDF-1.7\n", "a PDF document"),
        (b"SQLite format 3\0", "an SQLite database"),
        (b"PAR1\x15", "a Parquet file"),
        (gzip.compress(gzip.compress(b"a,b\n1,2\n", mtime=0), mtime=0), "gzip within gzip"),
        (gzip.compress(b"a,b\n1,2\n" * 50, mtime=0)[:20] + b"xxxxxx", "the gzip data is damaged"),
        (
            gzip.compress(b"a,b\n1,2\n", mtime=0) + b"3,4\n",
            "after the gzip data there is something else",
        ),
        (b"2\nt\na,b\nint,int\na,b\n1,2\n", "'2' is not a version"),
        (b"1.0\nt\na,b\nint,int\na,b\n1,2\n", "'1.0' is not a version"),
        (b"1.,\nt,\na,b\nint,int\na,b\n1,2\n", "'1.' is not a version"),
        (b'"v1"\r\n"t"\r\n"a","b"\r\n"int","int"\r\n', "'v1' is not a version"),
        (b"Version 1\nt\na\nstring\na\n1\n", "'Version 1' is not a version"),
        (b"[]", "there are no columns"),
    ],
)
def test_what_is_no_table_is_called_by_its_name(body: bytes, reason: str) -> None:
    with pytest.raises(InputRejected, match=reason):
        read(body)


@pytest.mark.parametrize("header", ["2", "1.0", "v1", "version 1"])
@pytest.mark.parametrize("third", ["stringent", "int or real", ""])
def test_what_could_be_a_version_is_a_header_above_lines_that_are_no_types(
    header: str, third: str
) -> None:
    found = read(f"{header}\nhosts\nhost\n{third}\nx\n", form="csv")
    assert (found.form, len(rows(found))) == ("csv", 4)


@pytest.mark.parametrize("padding", [b"", b"\0" * 9000])
def test_members_of_gzip_are_one_text(padding: bytes) -> None:
    parts = (b"a,b\n", b"", b"1,2\n" * 9000, b"3,4\n")
    found = read(b"".join(gzip.compress(part) + padding for part in parts))
    assert len(rows(found)) == 9001


def test_gzip_is_unpacked_up_to_a_bound() -> None:
    long = b"3," + b"x" * (1 << 16) + b"\n"
    twice = gzip.compress(b"a,b\n1,2\n") + gzip.compress(long * 20)
    assert len(rows(read(twice))) == 21
    assert len(rows(read(twice, max_unpacked_bytes=8 + len(long) * 20))) == 21
    with pytest.raises(InputRejected, match="it unpacks to over 1 MiB; publish parts of it"):
        read(twice, max_unpacked_bytes=1 << 20)


def test_gzip_of_very_many_members_is_unpacked_in_time() -> None:
    """Whatever followed a member was copied for it: this took twenty minutes."""
    many = gzip.compress(b"a\n") + gzip.compress(b"") * 400_000 + gzip.compress(b"1\n") + b"\0" * 99
    assert len(rows(read(many))) == 1


def test_a_pipe_gives_no_table_its_name() -> None:
    for path in ("/dev/fd/63", "/proc/self/fd/63", "日.csv", ".csv"):
        with pytest.raises(InputRejected, match="it names no table\n  give --table NAME"):
            read("a,b\n1,2\n", path)
    with pytest.raises(InputRejected, match="give --table NAME"):
        read("a,b\n1,2\n", "sqlite_x.csv")


# --- What qasino sql prints comes back -----------------------------------------------------------

_NAME = st.from_regex(r"[a-z][a-z0-9_]{0,5}", fullmatch=True)
_CELLS = {
    "INTEGER": st.integers(-(2**63), 2**63 - 1),
    "REAL": st.floats(allow_nan=False, allow_infinity=False),
    "TEXT": st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=8),
}


@st.composite
def results(draw: Any) -> Result:
    columns = draw(
        st.lists(st.tuples(_NAME, st.sampled_from(sorted(_CELLS))), min_size=2, max_size=4)
    )
    columns = list({name: kind for name, kind in columns}.items())
    if len(columns) < 2:
        columns = [("x", "TEXT"), ("y", "INTEGER")]
    row = st.tuples(*(st.one_of(st.none(), _CELLS[kind]) for _, kind in columns))
    found = draw(st.lists(row, min_size=1, max_size=6))
    return Result(
        column_names=tuple(name for name, _ in columns),
        column_types=tuple(kind for _, kind in columns),
        nr_rows=len(found),
        rows=found,
    )


def comes_back(result: Result, reading: Reading, typed: bool) -> None:
    """Names and cells are the same; where the form has no types, cells are by their text."""
    assert names(reading) == list(result.column_names)
    for row, got in zip(result.rows, rows(reading), strict=True):
        for cell, value in zip(row, got, strict=True):
            if isinstance(cell, float) and isinstance(value, int | float):
                assert math.isclose(cell, value, rel_tol=0, abs_tol=0)
            elif cell is None or typed or isinstance(cell, str) is isinstance(value, str):
                assert value == cell if not isinstance(cell, float) else value == real_text(cell)
            else:  # text that looks like a number, or numbers beside such as differ in form
                sent = real_text(cell) if isinstance(cell, float) else str(cell)
                assert sent == str(value) or float(sent) == value


@given(results())
def test_what_sql_prints_in_csv_and_tsv_reads_back_the_same(result: Result) -> None:
    for form in ("csv", "tsv"):
        comes_back(result, read("".join(present(result, form)), form=form), typed=False)


@given(results())
def test_what_sql_prints_in_markdown_is_refused(result: Result) -> None:
    with pytest.raises(InputRejected, match=r"^t\.csv:2: this is a table as it is drawn"):
        read("".join(present(result, "markdown")))


@given(results())
def test_what_sql_prints_in_json_and_ndjson_reads_back_with_its_types(result: Result) -> None:
    for form in ("json", "ndjson"):
        reading = read("".join(present(result, form)))
        assert names(reading) == list(result.column_names)
        for n, kind in enumerate(result.column_types):
            cells = [row[n] for row in result.rows]
            got = [row[n] for row in rows(reading)]
            if any(cell is not None for cell in cells):
                assert types(reading)[n] == kind
            assert got == cells


@given(
    st.lists(
        st.lists(st.text(st.sampled_from('a",;\n \t0.1-'), max_size=5), min_size=2, max_size=3),
        min_size=2,
        max_size=4,
    )
)
@example([["", ""], ["", "0.00"]])
def test_with_bad_rows_skipped_every_line_is_either_read_or_rejected(cells: list[Any]) -> None:
    lines = [",".join(row).replace("\n", " ") for row in cells]
    reading = read("\n".join(["h1,h2", *lines]) + "\n", form="csv", skip_bad_rows=True)
    text = reading.publication.rows_json + " ".join(r.raw for r in reading.rejects)
    for line in lines:
        for word in line.replace('"', ",").split(","):
            assert json.dumps(word)[1:-1] in text or word in text


# --- Places of bad rows --------------------------------------------------------------------------

QASINO_HEADER = "1\nt\na,b\ntext,int\nA,B\n"
BESIDE_BAD_ROWS = {
    "csv": ("x,y\n", ["1,2\n", "\n", '"a\nb",2\n', '1,"a\r\nb"\r\n', '"",3\n']),
    "qasino-csv": (QASINO_HEADER, ["a,2\n", '"a\nb",2\n', '"a\r\nb""",3\r\n']),
    "json": ('[["x","y"],\n', ["[1,2],\n", "[1,\n2],\n", "\n"]),
    "ndjson": ('{\n"x": 0}\n{"x": 0}\n', ['{"x": 1}\n', '{\n"x":\n1}\n', "\n"]),
}
BAD_ROWS = {
    "csv": [
        "1,2,3\n",
        "1\n",
        '"a\nb",2,3\n',
        '1,"a\nb","c\nd"\n',
        '"a"b,1\n',
        '1,"a\nb"c\n',
        '"","",""\n',
    ],
    "qasino-csv": ["a,b\n", "1\n", '"a\nb",x\n', '"a,""",x\n', '"a"b,1\n', '1,"\n2"\n3\n'],
    "json": ["[1],\n", "[1,\n2,3],\n", "[4], [5,6], [7],\n"],
    "ndjson": ['{"x": 1, "x": 2}\n', '{\n"x": 1,\n"x": 2}\n', '{"y": 0} {"x": 1, "x": 2}\n'],
}


def places(form: str, records: list[str]) -> list[tuple[int, int | None, str, str]]:
    """The rejects of a table, lines counted from the first one below its header."""
    header = BESIDE_BAD_ROWS[form][0]
    text = header + "".join(records)
    if form == "json":
        text += "[0,0]]"
    found = read(text, form=form, tablename="t", skip_bad_rows=True)
    above = header.count("\n")
    return [
        (r.line - above, r.column, re.sub(r"^row \d+", "row", r.reason), r.raw)
        for r in found.rejects
    ]


def moved(reason: str, lines: int) -> str:
    """A reason as it is so many lines further down: it may name a line."""
    return re.sub(r"line (\d+)", lambda found: f"line {int(found[1]) + lines}", reason)


@pytest.mark.parametrize("form", list(BAD_ROWS))
@given(data=st.data())
def test_a_bad_row_is_told_by_its_place_whatever_stands_above_it(
    form: str, data: st.DataObject
) -> None:
    record = st.sampled_from(BESIDE_BAD_ROWS[form][1] + BAD_ROWS[form])
    records = data.draw(st.lists(record, max_size=12))
    expected, above = [], 0
    for text in records:
        for line, column, reason, raw in places(form, [text]):
            expected.append((line + above, column, moved(reason, above), raw))
        above += text.count("\n")
    assert places(form, records) == expected


@pytest.mark.parametrize(
    ("text", "form", "found"),
    [
        ('[["a","b"],[1],\n [2,3],[4]]', "json", [(1, 12), (2, 8)]),
        ('[{"a":1},7,\n{"a":2},\n\n 8]', "json", [(1, 10), (4, 2)]),
        ('{\n"a":1}\n{"a":1,"a":2} {\n"a":1,"a":2}', "ndjson", [(3, 8), (3, None)]),
        ('{"a":\n1} {"a":1,"a":2}', "ndjson", [(2, 11)]),
        ('[{"b":0}, {"a":1,"a":2}]', "json", [(1, 18)]),
        ('a,b\n"x\ny",1,"z\nz"\n1,2,3\n', "csv", [(2, 1), (5, 5)]),
        ('a,b\n"x\ny"z,1\n"x"y,1\n', "csv", [(2, 1), (4, 4)]),
        ('a,b\n"x\ny","z"w\n1,2\r3\n', "csv", [(2, None), (3, 7), (4, 4)]),
        (QASINO_HEADER + '"x\ny",1\n"v,w",z\n"v\nw",z\n', None, [(8, 7), (9, None)]),
    ],
)
def test_the_line_and_the_column_of_a_bad_row(
    text: str, form: str | None, found: list[tuple[int, int | None]]
) -> None:
    rejects = read(text, form=form, skip_bad_rows=True).rejects
    assert [(reject.line, reject.column) for reject in rejects] == found


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (
            '[{"a":"w"}, {"a":"x"}, {"a":2},\n{"b":3,\n"a":"y"}]',
            [(1, '{"a":"w"}'), (1, '{"a":"x"}'), (2, '{"b":3,\n"a":"y"}')],
        ),
        ('[["a"],["x"],[1],\n["y"]]', [(1, '["x"]'), (2, '["y"]')]),
        ('{"a":1}\n {"a":"x"} \n', [(2, ' {"a":"x"} ')]),
        ('{\n"a":1} {"a":"x"} {"a":2}', [(2, '{"a":"x"}')]),
        ('\n\n{"a":\n"x"}\n', [(3, '{"a":\n"x"}')]),
    ],
)
def test_of_json_a_row_that_does_not_fit_is_kept_as_it_stood(
    text: str, found: list[tuple[int, str]]
) -> None:
    rejects = read(text, types={"a": "int"}, skip_bad_rows=True).rejects
    assert [(reject.line, reject.raw) for reject in rejects] == found


def test_a_row_that_stands_far_in_its_line_is_shown_from_where_its_fault_is() -> None:
    text = "[" + '{"a":1},' * 99 + f'"{LONG * 9}"]'
    with pytest.raises(InputRejected, match=rf'^t\.csv:1:794: element 100 is no object\n  "{LONG}'):
        read(text)
    text = "[" + '{"a":1},' * 99 + f'{{"b":"{LONG * 9}","c":1,"c":2}}]'
    with pytest.raises(InputRejected, match=r' twice\n  \.\.\..*"c":1,"c":2\}\n'):
        read(text)


def test_an_object_that_has_a_key_twice_is_placed_also_where_it_stands_alone() -> None:
    with pytest.raises(InputRejected, match=r'^t\.csv:3:9: the object has the key "a" twice\n  \{'):
        read('\n\n {"a":1,"a":2}\n')


def test_a_number_may_have_any_number_of_digits() -> None:
    """Python makes no int of so many."""
    digits = "7" * 5000
    for text in (f'{{"a\\"b": {digits}, "c": 1}}', f'{{\n"a": {digits}}}\n{{"a": 1}}\n'):
        assert rows(read(text))[0][0] == digits


LONG = "a text that is longer than most " * 2


@pytest.mark.parametrize(
    ("header", "bad_row", "end", "form", "size_mb"),
    [
        (QASINO_HEADER, f"{LONG},no number\n", "", None, 4),
        ("a,b\n", f"1,2,{LONG}\n", "", "csv", 4),
        ("a,b\n", f"{LONG}\n", "", "csv", 4),
        ("a,b\n", f'"1"2,{LONG}\n', "", "csv", 4),
        ('[["a","b"]', f',["{LONG}"]', "]", "json", 8),
        ('[{"a":1}', f',\n"{LONG}"', "]", "json", 8),
    ],
    ids=["qasino-csv", "too wide", "too narrow", "quotes", "arrays", "no objects"],
)
def test_bad_rows_take_no_longer_the_further_down_they_stand(
    header: str, bad_row: str, end: str, form: str | None, size_mb: int
) -> None:
    """So many take minutes where each is looked for from the top."""
    count = size_mb * 1_000_000 // len(bad_row)
    text = header + bad_row * count + end
    assert len(read(text, form=form, skip_bad_rows=True).rejects) == count


def test_objects_of_several_lines_take_no_longer_the_further_down_they_stand() -> None:
    count = 4_000_000 // len(LONG)
    assert len(rows(read(f'{{\n"a": "{LONG}"\n}}\n' * count))) == count


@pytest.mark.parametrize("skip", [False, True])
def test_lines_whose_quotes_are_never_closed_end_before_all_are_tried(skip: bool) -> None:
    """Each was read to the end of the input, by whoever sought the delimiter too."""
    text = "h1,h2\n" + 'a","b\n' * 200_000
    nr = 12 if skip else 2
    with pytest.raises(InputRejected, match=rf"^t\.csv:{nr}: the quote that opens here is never"):
        read(text, skip_bad_rows=skip)


def test_a_few_quotes_that_are_never_closed_are_passed_over() -> None:
    found = read("h1,h2\n" + 'a,"b\n' + "1,2\n" * 20 + 'a","b\n1,2\n', skip_bad_rows=True)
    assert rows(found).count(["1", "2"]) + rows(found).count([1, 2]) >= 20
    assert found.rejects
    for bad, good in (('a","b\n', "1,2\n"), ('"a"b,1\n', "")):
        found = read("h1,h2\n" + (bad + good) * 20, skip_bad_rows=True)
        assert (len(rows(found)), len(found.rejects)) == (20 if good else 0, 20)
