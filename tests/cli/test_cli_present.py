"""The formats, whole outputs."""

from __future__ import annotations

import pytest

from qasino_cli.errors import UsageFault
from qasino_cli.sql.present import choose_format, present, right_aligned
from qasino_cli.sql.session import error_text
from qasino_cli.sql.table_view import draw, note
from qasino_server.errors import SqlError
from qasino_server.table import Result

RESULT = Result(
    column_names=("host", "n", "n"),
    column_types=("TEXT", "INTEGER", ""),
    nr_rows=3,
    rows=[("web-01", 7, None), ("[red]|x[/red]", 1234, ""), ("日本\t\x1b", None, "NULL")],
    generation_number=1795484522,
    generation_age_s=12.4,
    elapsed_s=0.00213,
)
EMPTY = Result(column_names=("a", "b"), column_types=("INTEGER", "TEXT"), nr_rows=0)

WHOLE = {
    "csv": 'host,n,n\nweb-01,7,\n[red]|x[/red],1234,""\n日本\t\x1b,,NULL\n',
    "tsv": "host\tn\tn\nweb-01\t7\t\\N\n[red]|x[/red]\t1234\t\n日本\\t\x1b\t\\N\tNULL\n",
    "json": '[{"host":"web-01","n":7,"n:1":null},\n{"host":"[red]|x[/red]","n":1234,"n:1":""},\n'
    '{"host":"日本\\t\\u001b","n":null,"n:1":"NULL"}]\n',
    "ndjson": '{"host":"web-01","n":7,"n:1":null}\n{"host":"[red]|x[/red]","n":1234,"n:1":""}\n'
    '{"host":"日本\\t\\u001b","n":null,"n:1":"NULL"}\n',
    "markdown": "| host | n | n |\n| --- | ---: | --- |\n| web-01 | 7 | NULL |\n"
    "| [red]\\|x[/red] | 1234 |  |\n| 日本\\t\\x1b | NULL | NULL |\n",
    "vertical": "-[ 1 ]----\nhost | web-01\nn    | 7\nn    | NULL\n"
    "-[ 2 ]----\nhost | [red]|x[/red]\nn    | 1234\nn    | \n"
    "-[ 3 ]----\nhost | 日本\\t\\x1b\nn    | NULL\nn    | NULL\n",
    "text": "         host     n     n\n=============  ====  ====\n"
    "       web-01     7      \n[red]|x[/red]  1234      \n   日本\\t\\x1b        NULL\n"
    "3 rows returned\n",
}
WHOLE_EMPTY = {
    "csv": "a,b\n",
    "tsv": "a\tb\n",
    "json": "[]\n",
    "ndjson": "",
    "markdown": "| a | b |\n| ---: | --- |\n",
    "vertical": "",
    "text": "a  b\n=  =\n0 rows returned\n",
}


@pytest.mark.parametrize("form", WHOLE)
def test_a_format_shows_every_cell(form: str) -> None:
    assert "".join(present(RESULT, form)) == WHOLE[form]


@pytest.mark.parametrize("form", WHOLE_EMPTY)
def test_a_format_shows_a_result_without_rows(form: str) -> None:
    assert "".join(present(EMPTY, form)) == WHOLE_EMPTY[form]


def test_the_table_aligns_numbers_right_and_never_reads_markup(
    capsys: pytest.CaptureFixture[str],
) -> None:
    draw(RESULT)
    assert [line.rstrip() for line in capsys.readouterr().out.splitlines()] == [
        "host               n   n",
        "───────────────────────────",
        "web-01             7   NULL",
        "[red]|x[/red]   1234",
        "日本\\t\\x1b      NULL   NULL",
    ]


def test_a_table_too_long_for_rich_is_drawn_plainly_and_whole(
    capsys: pytest.CaptureFixture[str],
) -> None:
    rows = [(n, None) for n in range(5000)]
    draw(Result(column_names=("n", "x"), column_types=("", ""), nr_rows=5000, rows=rows))
    lines = capsys.readouterr().out.splitlines()
    assert (lines[0], lines[2], lines[-1]) == (
        "   n     x",
        "   0  NULL",
        "5000 rows returned",
    )


def test_the_note_under_a_table_says_how_much_how_fast_from_when() -> None:
    assert note(RESULT) == "3 rows in 2.1 ms, generation 1795484522, 12 s old"


def test_a_column_without_cells_is_aligned_by_its_declared_type() -> None:
    assert right_aligned(EMPTY) == [True, False]


def test_the_format_is_the_option_else_the_environment_else_what_stdout_is() -> None:
    assert choose_format("csv", "json", True) == "csv"
    assert choose_format(None, "json", True) == "json"
    assert choose_format(None, None, True) == "table"
    assert choose_format(None, "", False) == "tsv"


def test_an_unknown_format_is_a_usage_error_that_names_its_source() -> None:
    with pytest.raises(UsageFault, match="--format: 'xml' is not a format; there are table, "):
        choose_format("xml", None, False)
    with pytest.raises(UsageFault, match="QASINO_FORMAT: 'xml' is not a format"):
        choose_format(None, "xml", False)


def test_a_caret_stands_under_the_place_of_an_error() -> None:
    statement = "select 1,\n\t'日本', nope\nfrom t"
    offset = statement.index("nope")
    assert error_text(statement, SqlError("no such column: nope", offset)) == (
        "SQL error: no such column: nope\n  \\t'日本', nope\n            ^"
    )
    assert error_text("select", SqlError("incomplete input")) == "SQL error: incomplete input"
