"""What a streamed answer is made of on its way, against the same answer taken whole."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise

import pytest
from command import http_url, run_qasino
from hypothesis import example, given
from hypothesis import strategies as st

from qasino_cli.console import ExitCode
from qasino_cli.sql.present import present
from qasino_cli.sql.streamed import split_head, with_null
from qasino_server.server import Server
from qasino_server.table import Result

TEXTS = st.text(alphabet='a,"\n\t\\N\r', max_size=4)
ROWS = st.integers(1, 3).flatmap(
    lambda n: st.lists(st.tuples(*[st.none() | st.just("\\N") | TEXTS] * n), min_size=1, max_size=4)
)


def pieces_of(text: bytes, cuts: list[int]) -> Iterator[bytes]:
    places = sorted({0, len(text), *(cut % (len(text) + 1) for cut in cuts)})
    return iter([text[begins:ends] for begins, ends in pairwise(places)])


@given(
    st.sampled_from(["csv", "tsv"]),
    ROWS,
    st.sampled_from([",", "-", "", "\\N", '"']),
    st.lists(st.integers(0, 200)),
)
@example("csv", [("x\n", None)], "-", list(range(40)))
@example("tsv", [(None, "\\N"), ("a\\N", None)], "-", list(range(40)))
def test_the_same_comes_of_it_wherever_it_is_cut(
    form: str, rows: list[tuple[str | None, ...]], null: str, cuts: list[int]
) -> None:
    names = tuple(f'a"\n{n},' for n in range(len(rows[0])))
    types = ("TEXT",) * len(names)
    result = Result(column_names=names, column_types=types, nr_rows=len(rows), rows=rows)
    streamed = "".join(present(result, form)).encode()
    head, rest = split_head(pieces_of(streamed, cuts), form)
    empty = Result(column_names=names, column_types=types, nr_rows=0)
    assert head.decode() == "".join(present(empty, form))
    bare = b"".join(with_null(rest, form, null))
    assert bare.decode() == "".join(present(result, form, header=False, null=null))


@pytest.mark.parametrize("form", ["csv", "tsv", "ndjson"])
@pytest.mark.parametrize("option", ["--no-header", "--null=-", "--fail-empty"])
def test_options_for_scripts_leave_a_stream_without_a_limit_on_rows(
    make_server: Callable[..., Server], form: str, option: str
) -> None:
    """Each had the answer come whole, and cut."""
    asked = ("sql", "-s", http_url(make_server(max_rows=2)), "--format", form)
    sql = "with recursive c(n) as (select 1 union all select n + 1 from c limit 9) select * from c"
    plain, ran = run_qasino(*asked, "-q", sql), run_qasino(*asked, option, "-q", sql)
    assert (ran.returncode, ran.stderr) == (ExitCode.OK, "")
    lines = plain.stdout.splitlines()
    nameless = option == "--no-header" and form != "ndjson"
    assert ran.stdout.splitlines() == lines[1 if nameless else 0 :]
    assert len(lines) >= 9


@pytest.mark.parametrize("form", ["csv", "tsv", "ndjson"])
@pytest.mark.parametrize("options", [(), ("--no-header",)])
def test_a_stream_without_rows_can_be_made_to_fail(
    server: Server, form: str, options: tuple[str, ...]
) -> None:
    asked = ("sql", "-s", http_url(server), "--format", form, "--fail-empty", *options)
    assert run_qasino(*asked, "-q", "select 1 a where 0").returncode == ExitCode.NOT_MET
    assert run_qasino(*asked, "-q", "select null a").returncode == ExitCode.OK
