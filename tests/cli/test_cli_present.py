"""The formats, whole outputs."""

from __future__ import annotations

import pytest

from qasino_cli.errors import UsageFault
from qasino_cli.sql.present import choose_format, present
from qasino_cli.sql.table_view import note
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
    "| [red]\\|x[/red] | 1234 |  |\n| 日本\\t\\x1b | NULL | 'NULL' |\n",
    "vertical": "-[ 1 ]----\nhost | web-01\nn    | 7\nn    | NULL\n"
    "-[ 2 ]----\nhost | [red]|x[/red]\nn    | 1234\nn    | \n"
    "-[ 3 ]----\nhost | 日本\\t\\x1b\nn    | NULL\nn    | 'NULL'\n",
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


def test_the_note_under_a_table_says_how_much_how_fast_from_when() -> None:
    assert note(RESULT) == "3 rows in 2.1 ms, generation 1795484522, 12 s old"


def test_a_column_without_cells_is_aligned_by_its_declared_type() -> None:
    assert "".join(present(EMPTY, "markdown")).splitlines()[1] == "| ---: | --- |"


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


def test_names_and_null_are_as_they_are_wanted() -> None:
    assert "".join(present(RESULT, "tsv", header=False, null="-")).startswith("web-01\t7\t-\n")
    assert "".join(present(RESULT, "csv", null="NIL")).splitlines()[1] == "web-01,7,NIL"
    assert "".join(present(RESULT, "csv", null="")).splitlines()[1] == "web-01,7,"


def test_the_configuration_chooses_the_format_of_a_terminal_only() -> None:
    assert choose_format(None, None, True, "markdown") == "markdown"
    assert choose_format(None, None, False, "markdown") == "tsv"
    assert choose_format(None, "json", True, "markdown") == "json"
    with pytest.raises(UsageFault, match=r"config\.yaml: 'xml' is not a format"):
        choose_format(None, None, True, "xml")
    with pytest.raises(UsageFault, match=r"config\.yaml: 'xml' is not a format"):
        choose_format("csv", None, False, "xml")  # it would only be found at the next terminal
