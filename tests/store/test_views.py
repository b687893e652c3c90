"""Views as people wrote them for older servers, and those that can give nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from handed_in import Written

from qasino_server.render import CsvStream


def test_a_misspelt_name_in_double_quotes_is_no_text_but_in_a_view_it_may_be_one(
    bench: Any, tmp_path: Path
) -> None:
    bench.publish("a", "t", "host text", [["web-1"], ["web-2"]])
    bench.rotate()
    (tmp_path / "views.conf").write_text(
        """- {viewname: old, view: 'create view old as select host, "BOS" dc from t'}"""
    )
    for _ in range(2):
        for form in ("typed", "strings", "rows"):
            misspelt = bench.ask("""select count(*) from t where "hots" = 'web-1'""", form=form)
            assert misspelt.sentence.startswith('no such column: "hots" - should this be a string')
            assert misspelt.offset == 29
            assert bench.ask("select dc from old", form=form).nr_rows == 2
        assert bench.rows("""select "host" from t where "host" <> 'web-1'""") == [["web-2"]]
        assert bench.rows("select * from old where dc = 'BOS' limit 1") == [["web-1", "BOS"]]
        assert [name for name, _ in bench.columns("old")] == ["host", "dc"]
        sink = Written()
        assert bench.ask("select dc from old", stream=CsvStream(), sink=sink).nr_rows == 2
        assert sink.text().split() == [b"dc", b"BOS", b"BOS"]
