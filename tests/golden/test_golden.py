"""Our server answers what the ancestor was recorded to answer, or what a rule says instead.

`TABLE` names every recorded file once: kept, changed (by a rule of ours, a part of the wire's
description, or a recorded bug that must not come along), or outside. The numbers of rules, sections
and bugs are those of the notes the recordings came with; the words beside them say what is meant.
Where our server deviates and nothing allows it, the test is expected to fail, strictly.
"""

from __future__ import annotations

from dataclasses import dataclass

import apsw
import pytest
from golden_checks import (
    INTERNAL_TABLES,
    Check,
    all_of,
    as_recorded,
    cast,
    connected,
    documents,
    error,
    error_is,
    is_well_formed,
    listed,
    ok,
    read_table,
    recorded_but,
    repeated,
    result,
    says,
    tables_in,
    tables_list,
    text_error,
)
from golden_replay import Answer, Answers, Case, read_recording, replay

CASES = {case.file: case for case in read_recording()}


@dataclass(frozen=True)
class Kept:
    """The answer is the recorded one, but for what no two recordings share."""


@dataclass(frozen=True)
class Changed:
    """The answer is another one, on purpose."""

    rule: str
    reason: str
    check: Check


@dataclass(frozen=True)
class Outside:
    """Not replayed here."""

    reason: str


# --- What our server knows after the replayed publications ----------------------------------------

COLUMNS = ["ipaddr", "datacenter", "stat1", "stat2"]
INFO = ["generation_number", "generation_duration_s", "generation_start_epoch"]
ONE_GENERATION = ["EPOCH", "30", "EPOCH"]

# name: (nr_rows, nr_updates, static)
GEN2 = {
    "aco": (1, 1, 0),
    "acol": (1, 1, 0),
    "badcol2": (1, 1, 0),
    "cells": (20, 1, 0),
    "clicsv": (2, 1, 0),
    "clipubh": (1, 1, 0),
    "clipubz": (1, 1, 0),
    "csvtab": (3, 1, 0),
    "csvtab2": (3, 1, 0),
    "csvupd": (2, 1, 0),
    "ct4": (0, 1, 0),
    "hundred": (100, 1, 0),
    "merged": (5, 4, 0),
    "myapplication_table1": (1, 1, 0),
    "nested": (2, 1, 0),
    "nums": (12, 1, 0),
    "nvt": (1, 2, 0),
    "overflow": (1, 1, 0),
    "persisted": (1, 2, 0),
    "reserved": (1, 1, 0),
    "statictab": (3, 3, 1),
    "uniident": (1, 1, 0),
    "upd": (3, 2, 0),
    "upd2": (2, 1, 0),
    "upd3": (2, 1, 0),
    "upd5": (3, 2, 0),
    "uppertype": (1, 1, 0),
    "wide": (1, 1, 0),
    "wide400": (2, 1, 0),
    "zerorows": (0, 1, 0),
    "ztab": (1, 1, 0),
    "ztab2": (1, 1, 0),
}
GEN3 = {
    "aco": (1, 1, 0),
    "acol": (1, 1, 0),
    "csvupd": (2, 1, 0),
    "nvt": (1, 1, 0),
    "persisted": (1, 1, 0),
    "statictab": (3, 3, 1),
}
OURSELVES = ("127.0.0.1", len(INTERNAL_TABLES))
GEN2_CONNECTIONS = (
    ("1.2.3.4", 1),
    OURSELVES,
    ("bc", 1),
    ("big", 1),
    ("cli1", 3),
    ("csv1", 4),
    ("lbc", 1),
    ("n1", 10),
    ("nodeA", 1),
    ("nodeB", 1),
    ("nodeC", 1),
    ("nodeD", 1),
    ("nodé", 1),
    ("nv1", 1),
    ("p1", 1),
    ("u1", 4),
    ("u2", 1),
    ("z1", 2),
)
GEN3_CONNECTIONS = (OURSELVES, ("bc", 1), ("csv1", 1), ("lbc", 1), ("nv1", 1), ("p1", 1))

CELLS = [
    ("null", "", "null"),
    ("empty", "", "text"),
    ("int", "42", "text"),
    ("bigint", "9223372036854775807", "text"),
    ("float", "0.1", "text"),
    ("float12", cast("1382105123.1234567"), "text"),
    ("float_e", cast("1e16"), "text"),
    ("float_small", "1.0e-07", "text"),
    ("float_whole", "3.0", "text"),
    ("true", "1", "text"),
    ("false", "0", "text"),
    ("str", "plain", "text"),
    ("quote", 'it\'s "q"', "text"),
    ("newline", "a\nb", "text"),
    ("tab", "a\tb", "text"),
    ("backslash", "a\\b", "text"),
    ("unicode", "héllo 世界", "text"),
    ("emoji", "😀", "text"),
    ("html", "<b>&amp;</b>", "text"),
    ("nul", "a\0b", "text"),
]
CELLS_TEXT = f"""\
      label                    v
===========  ===================
       null  {"":>19}
      empty  {"":>19}
        int                   42
     bigint  9223372036854775807
      float                  0.1
    float12  {cast("1382105123.1234567"):>19}
    float_e  {cast("1e16"):>19}
float_small              1.0e-07
float_whole                  3.0
       true                    1
      false                    0
        str                plain
      quote             it's "q"
    newline                 a\\nb
        tab                 a\\tb
  backslash                  a\\b
    unicode           héllo 世界
      emoji                   😀
       html         <b>&amp;</b>
        nul               a\\x00b
20 rows returned
"""
NUMS = [
    ("null", "", "null", "", "null"),
    ("empty", "", "text", "", "text"),
    ("plain", "5", "integer", "5.0", "real"),
    ("frac", "5.5", "real", "5.5", "real"),
    ("long", cast("1382105123.1234567"), "real", cast("1382105123.1234567"), "real"),
    ("third", cast("1/3.0"), "real", cast("1/3.0"), "real"),
    ("str", "12", "integer", "12.5", "real"),
    ("word", "abc", "text", "abc", "text"),
    ("e16", "10000000000000000", "integer", cast("1e16"), "real"),
    ("e15", cast("123456789012345.67"), "real", cast("123456789012345.67"), "real"),
    ("bool", "1", "integer", "1.0", "real"),
    ("big", "9223372036854775807", "integer", cast("9223372036854775807.0"), "real"),
]


# --- Checks that only one case needs --------------------------------------------------------------


def statistics_are_ours(answer: Answer, case: Case) -> None:
    """Counts of queries, not the -1 that a client published."""
    [(names, [counts])] = tables_in(answer)
    assert names == ["sql_received", "sql_completed", "sql_errors"]
    received, completed, errors = map(int, counts)
    assert received == completed + errors > 0
    assert errors > 0


def nothing_new_counted(answer: Answer, case: Case) -> None:
    """A generation in which nobody published can count what was carried into it, no more."""
    [(names, [counts])] = tables_in(answer)
    assert names == [
        *("updates_received", "updates_completed", "update_errors"),
        *("inserts_received", "inserts_completed"),
    ]
    assert all(int(count) <= len(GEN3) for count in counts)


def seed_tables_have_the_seeds_columns(answer: Answer, case: Case) -> None:
    """The recorded tables and columns, in their order, epochs being REAL."""
    ours, theirs = (schema(tables_in(of)[0]) for of in (answer, recorded(case)))
    assert ours.keys() == set(INTERNAL_TABLES) - {"qasino_server_views"}
    types = {"int": "INTEGER", "varchar": "TEXT"}
    for table in theirs.keys() & ours.keys():
        assert ours[table] == [
            (name, "REAL" if name.endswith("_epoch") else types[kind])
            for name, kind in theirs[table]
        ]


def schema(table: tuple[list[str], list[list[str]]]) -> dict[str, list[tuple[str, str]]]:
    """Columns and their types in each CREATE TABLE of a listing of sqlite_master."""
    found = {}
    for name, statement in table[1]:
        inside = statement[statement.index("(") + 1 : statement.rindex(")")]
        words = [column.replace("\\n", " ").split() for column in inside.split(",")]
        found[name] = [(word[0].strip("'\""), word[1]) for word in words]
    return found


def recorded(case: Case) -> Answer:
    """The recorded answer as if it were ours."""
    return Answer(case.received, case.status, "application/json")


def growing_numbers(answer: Answer, case: Case) -> None:
    """As recorded, each generation's number larger than the one before."""
    as_recorded(answer, case)
    numbers = [documents(part.partition("\0")[2])[0]["generation_number"] for part in answer.parts]
    assert numbers == sorted(set(numbers))


def types_as_rule_5_says(answer: Answer, case: Case) -> None:
    """The recorded text of a DESC, with our names of the types."""
    assert read_table(answer.parts[0]) == (
        ["column_name", "column_type"],
        [["id", "INTEGER"], ["grp", "TEXT"], ["val", "REAL"]],
    )


def is_html(answer: Answer, case: Case) -> None:
    """An HTML table."""
    assert (answer.status, answer.media_type) == (200, "text/html")
    assert "<th>a</th>" in answer.parts[0]
    assert "<td>1</td>" in answer.parts[0]


def method_refused(answer: Answer, case: Case) -> None:
    """405, in JSON."""
    error(case.sent[0].split(" ")[0], "GET", "POST", status=405)(answer, case)


TWO_STATEMENTS = error("two statements")
ALL_TABLES_IN_GEN2 = listed(GEN2, len(GEN2_CONNECTIONS), 3)


# --- The table ------------------------------------------------------------------------------------

KEPT = Kept()


def reworded(check: Check) -> Changed:
    """An error as before; only its words are others."""
    return Changed("section 3, errors", "the sentence says what is wrong, in our words", check)


def stored(rule: str, reason: str, nr_rows: int) -> Changed:
    """`ok` as before, but this one is kept."""
    return Changed(rule, reason, ok(applied=True, nr_rows=nr_rows))


SPOOFED = "the row that a client had published into qasino_server_info is not there"
MORE_TABLES = "our own internal tables are listed too"
ALL_STORED = "what was answered ok is there, what was refused is not; more internal tables"
NO_ROWS = "no rows leave the statement's own column names"
NOT_ASCII = "a statement may hold any character"
READS_ALL = "every statement that only reads is answered"
ONE_STATEMENT = "two statements in one query are an error, also where the second would write"
PUBLICATION_REFUSED = "what cannot be stored is refused, not answered ok and lost"
RESERVED = "the server's own tables take no publications"
BLOB = "a BLOB that is no UTF-8 is answered, in hex"

TABLE: dict[str, Kept | Changed | Outside] = {
    # gen0
    "001_readme_curl_post_json.txt": KEPT,
    "002_gen0_show_tables.txt": Changed("rule 20", MORE_TABLES, listed({}, 1, 3)),
    "003_gen0_show_info.txt": KEPT,
    "004_gen0_show_connections.txt": Changed(
        "rule 20, bug 25", "the server counts every table it made", connected(OURSELVES)
    ),
    "005_gen0_show_views.txt": KEPT,
    "006_gen0_get_table_list_zmq.txt": Changed("rule 20", MORE_TABLES, tables_list({}, 1, 3)),
    "007_gensig_pub_frames_1.txt": KEPT,
    # gen1
    "008_pub_readme_example_types.txt": Changed(
        "rule 5, bug 15", "JSON tables have the types that CSV tables have", ok(applied=True)
    ),
    "009_pub_ok.txt": Changed("rule 4", "008 was stored, so this is a repeat", repeated),
    "010_pub_then_query_readdb_not_visible.txt": reworded(
        error_is("no such table: myapplication_table1")
    ),
    "011_pub_then_query_use_write_db.txt": KEPT,
    "012_pub_duplicate_same_identity.txt": Changed(
        "rule 4, bug 1", "a repeat is said to be one", repeated
    ),
    "013_pub_merge_A.txt": KEPT,
    "014_pub_merge_B_more_columns.txt": KEPT,
    "015_pub_merge_C_type_change.txt": Changed(
        "rule 3",
        "the receipt names the type that the column has",
        ok(applied=True, message="column a is INTEGER here, not TEXT"),
    ),
    "016_pub_merge_D_case.txt": stored("rule 3, bug 5", "names that differ in case are one", 1),
    "017_pub_types_cells.txt": KEPT,
    "018_pub_types_num.txt": KEPT,
    "019_pub_bigint_overflow.txt": stored("rule 7, bug 6", "more than 64 bits become REAL", 1),
    "020_pub_nested_cell.txt": stored("rule 7, bug 6", "nested cells are stored as JSON", 2),
    "021_pub_zero_rows.txt": KEPT,
    "022_pub_short_row.txt": Changed(
        "rule 7, bug 2", PUBLICATION_REFUSED, error("row 2", "1 cells", "2 cells")
    ),
    "023_pub_long_row.txt": Changed(
        "rule 7, bug 2", PUBLICATION_REFUSED, error("row 1", "3 cells", "2 cells")
    ),
    "024_pub_ragged_compensating.txt": Changed(
        "rule 7, bug 2", PUBLICATION_REFUSED, error("row 1", "1 cells", "2 cells")
    ),
    "025_pub_zero_columns.txt": Changed(
        "rule 8, bug 3", PUBLICATION_REFUSED, error("column_names", "empty")
    ),
    "026_pub_401_columns.txt": stored("rule 1, bug 3", "wide tables are stored", 1),
    "027_pub_400_columns.txt": KEPT,
    "028_pub_reserved_column.txt": stored("rule 6, bug 4", "names are quoted", 1),
    "029_pub_dup_columns.txt": Changed(
        "rule 6, bug 3", PUBLICATION_REFUSED, error("columns 1 and 2", "'a'")
    ),
    "030_pub_bad_column_type.txt": reworded(error("column 1", "(a)", "'blob'")),
    "031_pub_upper_type.txt": KEPT,
    "032_pub_bad_column_name.txt": reworded(error("column 1", "'a b'")),
    "033_pub_underscore_column_name.txt": stored("rule 6", "a name may begin with _", 1),
    "034_pub_bad_tablename.txt": reworded(error("tablename", "'bad name'")),
    "035_pub_fewer_types_than_names.txt": Changed(
        "rule 1, bug 3", PUBLICATION_REFUSED, error("column_names has 2", "column_types 1")
    ),
    "036_pub_no_identity.txt": Changed(
        "rule 2, bug 7", PUBLICATION_REFUSED, error("identity is missing")
    ),
    "037_pub_int_identity.txt": Changed(
        "rule 2, bug 7", PUBLICATION_REFUSED, error("identity", "string")
    ),
    "038_pub_empty_identity.txt": Changed(
        "rule 2", "an identity has at least one character", error("identity is empty")
    ),
    "039_pub_no_table.txt": reworded(error("table is missing")),
    "040_pub_no_rows.txt": reworded(error("table.rows is missing")),
    "041_pub_tablename_null.txt": reworded(error("table.tablename", "string")),
    "042_pub_json_list.txt": reworded(error("JSON object", "array")),
    "043_pub_op_only_in_body.txt": Changed(
        "section 3", "the op may stand in the body: so the table is missed", error("table is")
    ),
    "044_pub_internal_table_spoof.txt": Changed(
        "rule 6, bug 29", RESERVED, error("'qasino_server_info'", "reserved")
    ),
    "045_pub_persist.txt": KEPT,
    "046_pub_persist_second_same_gen.txt": stored(
        "rule 9, bug 14", "publishing again replaces persistent rows at once", 1
    ),
    "047_pub_static_1.txt": KEPT,
    "048_static_visible_at_once.txt": KEPT,
    "049_pub_static_2_other_identity.txt": KEPT,
    "050_pub_static_3_new_column.txt": KEPT,
    "051_static_after_replace.txt": KEPT,
    "052_pub_update_1.txt": KEPT,
    "053_pub_update_2.txt": KEPT,
    "054_pub_update_3_two_keys.txt": KEPT,
    "055_pub_update_no_keycols.txt": KEPT,
    "056_pub_update_bad_keycol.txt": Changed(
        "rule 11, bug 9", PUBLICATION_REFUSED, error("keycols", "'nosuch'")
    ),
    "057_pub_update_on_duplicates_a.txt": KEPT,
    "058_pub_update_on_duplicates_b.txt": stored(
        "rule 11, bug 9", "keys are looked up among the rows of the same identity", 1
    ),
    "059_name_value_update_nvu_1.txt": KEPT,
    "060_name_value_update_nvu_2_other_column.txt": KEPT,
    "061_name_value_update_no_identity.txt": Changed(
        "rule 2", "nobody is called 'unknown'", error("identity is missing")
    ),
    "062_name_value_update_bad_name.txt": reworded(error("table.column", "'nodot'")),
    "063_name_value_update_no_value.txt": reworded(error("value is missing")),
    "064_csv_ok.txt": KEPT,
    "065_csv_form_ctype.txt": KEPT,
    "066_csv_no_identity.txt": Changed(
        "rule 2, bug 7", PUBLICATION_REFUSED, error("identity is missing")
    ),
    "067_csv_bad_type.txt": reworded(error("column 2", "(b)", "'blob'")),
    "068_csv_bad_int.txt": reworded(error("line 6", "column a", "'x'")),
    "069_csv_short_row.txt": reworded(error("line 6", "1 cells", "2 columns")),
    "070_csv_long_row.txt": reworded(error("line 6", "3 cells", "2 columns")),
    "071_csv_mismatched_types.txt": reworded(error("column_names has 2", "column_types 1")),
    "072_csv_blank_line.txt": reworded(error("line 7", "0 cells", "2 columns")),
    "073_csv_empty_body.txt": Changed(
        "rule 1, bug 10", PUBLICATION_REFUSED, error("line 1 is missing")
    ),
    "074_csv_bad_tablename.txt": Changed(
        "rule 6, bug 10", PUBLICATION_REFUSED, error("tablename", "bad name'")
    ),
    "075_csv_type_spelling.txt": stored("rule 5", "one set of types, in any case", 0),
    "076_csv_options_update.txt": KEPT,
    "077_zmq_pub_ok.txt": KEPT,
    "078_zmq_pub_bad_type.txt": stored("rule 5, bug 15", "string is a type", 1),
    "079_pub_unicode_identity.txt": KEPT,
    "080_pub_name_trailing_newline.txt": Changed(
        "rule 6, bug 8", PUBLICATION_REFUSED, error("'a\\n'", "not a legal name")
    ),
    "081_pub_persist_key_collision_1.txt": KEPT,
    "082_pub_persist_key_collision_2.txt": KEPT,
    "083_pub_server_identity.txt": Changed(
        "rule 6, bug 29", RESERVED, error("'qasino_server_sql_stats'", "reserved")
    ),
    "086_cli_publish_csv_stdin.txt": Outside(
        "the ancestor's command line; the table it published is published here all the same"
    ),
    "087_pub_large_100rows.txt": KEPT,
    "088_readdb_unchanged_before_rotation.txt": Changed(
        "rule 20", MORE_TABLES, result(["tablename"], *([name] for name in INTERNAL_TABLES))
    ),
    # gen2
    "089_gensig_pub_frames_2.txt": KEPT,
    "090_readme_curl_get.txt": Changed("rule 6, bug 29", SPOOFED, result(INFO, ONE_GENERATION)),
    "091_readme_curl_get_text.txt": Changed(
        "rule 6, bug 29", SPOOFED, result(INFO, ONE_GENERATION)
    ),
    "092_q_myapplication_table1.txt": KEPT,
    "093_q_merged.txt": Changed(
        "rule 3, bug 5",
        "columns follow as they appeared; nodeD's row is there",
        result(
            ["identity", "a", "b", "c", "d", "e"],
            ["nodeA", "1", "", "", "", ""],
            ["nodeA", "2", "", "", "", ""],
            ["nodeB", "", "1.5", "x", "7", "y"],
            ["nodeC", "not a number", "", "", "", ""],
            ["nodeD", "4", "", "", "", ""],
        ),
    ),
    "095_desc_merged.txt": Changed(
        "rule 3, rule 5",
        "columns follow as they appeared; the types' names are ours",
        result(
            ["column_name", "column_type"],
            ["identity", "TEXT"],
            ["a", "INTEGER"],
            ["b", "REAL"],
            ["c", "TEXT"],
            ["d", "INTEGER"],
            ["e", "TEXT"],
        ),
    ),
    "096_q_cells.txt": Changed(
        "rule 7, section 3",
        "text is as it was published; floats have all their digits",
        result(["label", "v", "t"], *CELLS),
    ),
    "097_q_cells_text.txt": Changed(
        "rule 7, section 3", "only control characters are escaped", says(CELLS_TEXT)
    ),
    "098_q_nums.txt": Changed(
        "section 3", "REAL as text is what CAST gives", recorded_but(rows=NUMS)
    ),
    "100_q_lost_tables.txt": Changed(
        "rule 1",
        "what was answered ok is there, what was refused is not",
        recorded_but(
            rows=[
                ["nested", "2"],
                ["overflow", "1"],
                ["reserved", "1"],
                ["upd5", "3"],
                ["wide", "1"],
                ["wide400", "2"],
                ["zerorows", "0"],
            ]
        ),
    ),
    "101_q_zerorows.txt": Changed("section 3", NO_ROWS, result(["a", "b"])),
    "102_q_zerorows_text.txt": Changed("section 3", NO_ROWS, result(["a", "b"])),
    "103_q_zero_rows_where_text.txt": Changed("section 3", NO_ROWS, result(INFO)),
    "105_q_upd2.txt": KEPT,
    "106_q_upd3.txt": KEPT,
    "107_q_upd4.txt": Changed(
        "rule 1, bug 9", "a refused publication leaves no table", error("no such table: upd4")
    ),
    "108_q_upd5.txt": Changed(
        "rule 11, bug 9",
        "u2's row is there, beside u1's",
        recorded_but(rows=[["1", "1"], ["1", "2"], ["1", "3"]]),
    ),
    "110_q_persisted_gen2.txt": Changed(
        "rule 9, bug 14", "the second publication counts at once", recorded_but(rows=[["p1", "2"]])
    ),
    "111_q_csvtab.txt": Changed(
        "rule 7",
        "é is kept",
        recorded_but(
            rows=[
                ["1.2.3.4", "BOS", "123", "456", "1.5", "1400000000"],
                ["5.6.7.8", "N,Y", "", "7", "", ""],
                ["hé", "x", "1", "2", "3.0", "4"],
            ]
        ),
    ),
    "112_q_csvupd.txt": KEPT,
    "113_desc_csvtab.txt": KEPT,
    "115_q_uniident.txt": Changed("rule 7", "é is kept", recorded_but(rows=[["nodé", "1"]])),
    "116_q_spoofed_sql_stats.txt": Changed("rule 6, bug 29", RESERVED, statistics_are_ours),
    "117_q_ztab.txt": KEPT,
    "118_q_aggregate.txt": KEPT,
    "120_show_tables_text.txt": Changed("rule 1, rule 20", ALL_STORED, ALL_TABLES_IN_GEN2),
    "121_show_info.txt": Changed(
        "rule 6, bug 29", SPOOFED, recorded_but(rows=[[*ONE_GENERATION, "DATETIME"]])
    ),
    "122_show_connections.txt": Changed(
        "rule 1, rule 20", ALL_STORED, connected(*GEN2_CONNECTIONS)
    ),
    "123_show_connections_text.txt": Changed(
        "rule 1, rule 20", ALL_STORED, connected(*GEN2_CONNECTIONS)
    ),
    "125_show_tables_like.txt": Changed(
        "rule 20", MORE_TABLES, listed(GEN2, len(GEN2_CONNECTIONS), 3, internal_only=True)
    ),
    "126_show_tables_like_none.txt": Changed(
        "section 3",
        NO_ROWS,
        result(
            [
                *("tablename", "nr_rows", "nr_updates", "last_update_epoch", "static"),
                "last_update_datetime",
            ]
        ),
    ),
    "127_show_tables_like_space.txt": Changed(
        "rule 18, bug 23",
        "a pattern may hold blanks",
        result(
            [
                *("tablename", "nr_rows", "nr_updates", "last_update_epoch", "static"),
                "last_update_datetime",
            ]
        ),
    ),
    "128_show_tables_like_dquote.txt": Changed(
        "rule 18, bug 23",
        "a pattern may stand in double quotes",
        listed(GEN2, len(GEN2_CONNECTIONS), 3, internal_only=True),
    ),
    "130_show_no_semicolon.txt": Changed("rule 1, rule 20", ALL_STORED, ALL_TABLES_IN_GEN2),
    "131_show_trailing_space.txt": Changed(
        "rule 18, bug 23", "a blank may follow the semicolon", ALL_TABLES_IN_GEN2
    ),
    "132_show_trailing_newline.txt": Changed("rule 1, rule 20", ALL_STORED, ALL_TABLES_IN_GEN2),
    "133_show_unknown.txt": reworded(error("show", "syntax error")),
    "135_desc_table_text.txt": Changed(
        "rule 5, rule 20",
        "the types' names are ours, and epochs with their hundredths are REAL",
        result(
            ["column_name", "column_type"],
            ["generation_number", "INTEGER"],
            ["generation_duration_s", "INTEGER"],
            ["generation_start_epoch", "REAL"],
        ),
    ),
    "136_desc_missing.txt": KEPT,
    "137_desc_missing_text.txt": KEPT,
    "138_desc_static.txt": KEPT,
    "140_describe_word.txt": Changed(
        "preamble, as in mysql",
        "DESCRIBE is DESC written out",
        result(
            ["column_name", "column_type"],
            ["generation_number", "INTEGER"],
            ["generation_duration_s", "INTEGER"],
            ["generation_start_epoch", "REAL"],
        ),
    ),
    "141_desc_no_arg.txt": reworded(error("DESC", "syntax error")),
    "142_desc_view.txt": Changed(
        "rule 7",
        "text is as it was written, newlines are newlines",
        recorded_but(rows=[["create view testview as select\n  * from qasino_server_info;\n"]]),
    ),
    "143_desc_view_text.txt": KEPT,
    "145_q_view.txt": Changed("rule 6, bug 29", SPOOFED, recorded_but(rows=[ONE_GENERATION])),
    "146_q_latebound_view.txt": reworded(error_is("no such table: no_such_table_yet")),
    "147_q_badview.txt": reworded(error_is("no such table: badview")),
    "148_err_no_such_table.txt": reworded(error_is("no such table: nosuchtable")),
    "150_err_syntax.txt": reworded(error_is('near "from": syntax error')),
    "151_err_unknown_column.txt": reworded(error_is("no such column: nocol")),
    "152_err_incomplete.txt": reworded(error("unrecognized token", "'abc")),
    "153_err_incomplete_text.txt": reworded(text_error('unrecognized token: "\'abc"')),
    "155_no_semicolon_ok.txt": KEPT,
    "156_empty_sql.txt": reworded(error("no statement")),
    "157_semicolon_only.txt": reworded(error("no statement")),
    "158_empty_sql_text.txt": reworded(text_error("there is no statement to run")),
    "160_post_sql_number.txt": reworded(error("sql", "string")),
    "161_post_sql_null.txt": reworded(error("sql", "string")),
    "162_post_json_number.txt": Changed(
        "section 3, bug 19", "a request that is no object is an error", error("JSON object", "int")
    ),
    "163_post_json_list.txt": reworded(error("JSON object", "array")),
    "165_post_invalid_json2.txt": reworded(error("not JSON")),
    "166_post_empty_body.txt": reworded(error("empty", "JSON object")),
    "167_post_no_op.txt": reworded(error("No op specified")),
    "168_post_unknown_op.txt": reworded(error("Unrecognized op", "'nosuchop'")),
    "170_post_ctype_json.txt": KEPT,
    "171_post_amp_in_sql_form_ctype.txt": Changed(
        "section 3, bug 21",
        "a body is JSON, whatever its Content-Type says",
        result(["x", "y"], ["1", "&op=get_table_list&"]),
    ),
    "172_get_no_op.txt": reworded(error("No op specified")),
    "173_get_unknown_op.txt": reworded(error("Unrecognized op", "'nosuchop'")),
    "175_get_no_sql.txt": KEPT,
    "176_get_no_sql_text.txt": reworded(text_error("Must specify 'sql' param")),
    "177_get_format_html.txt": Changed("section 3", "html is a format", is_html),
    "178_get_format_unknown.txt": Changed(
        "section 3", "there are six formats", error("'xml'", "json, text, csv, tsv, ndjson, html")
    ),
    "180_get_table_list_get.txt": reworded(error("get_table_list", "POST", status=405)),
    "181_get_table_list_post.txt": Changed(
        "rule 1, rule 20", ALL_STORED, tables_list(GEN2, len(GEN2_CONNECTIONS), 3)
    ),
    "182_get_table_list_post_nobody.txt": reworded(error("empty", "JSON object")),
    "183_method_head.txt": KEPT,
    "185_method_delete.txt": Changed("section 3, errors", "405, in JSON", method_refused),
    "186_method_options.txt": Changed("section 3, errors", "405, in JSON", method_refused),
    "187_path_unknown.txt": Changed(
        "section 3, errors", "404, in JSON", error("'/nosuch'", status=404)
    ),
    "188_path_request_slash.txt": Changed(
        "section 3, bug 19", "404, in JSON", error("'/request/'", status=404)
    ),
    "190_http10_no_keepalive.txt": KEPT,
    "191_stmt_delete.txt": reworded(error("not authorized", "DELETE", "merged")),
    "192_stmt_insert.txt": reworded(error("not authorized", "INSERT", "merged")),
    "193_stmt_update.txt": reworded(error("not authorized", "UPDATE", "merged")),
    "195_stmt_create.txt": reworded(error("not authorized")),
    "196_stmt_pragma.txt": reworded(error("not authorized", "PRAGMA", "database_list")),
    "198_stmt_explain.txt": reworded(error("Unrecognized statement", "EXPLAIN QUERY PLAN")),
    "199_stmt_with.txt": Changed("rule 18, bug 24", READS_ALL, result(["a"], ["1"])),
    "201_stmt_select_star_nospace.txt": Changed(
        "rule 18, bug 24", READS_ALL, result(INFO, ONE_GENERATION)
    ),
    "202_stmt_select_comment.txt": Changed("rule 18, bug 24", READS_ALL, result(["1"], ["1"])),
    "203_stmt_select_paren.txt": reworded(error("(", "syntax error")),
    "204_stmt_vacuum.txt": reworded(error("Unrecognized statement", "reading")),
    "206_stmt_quit.txt": Changed("section 3, bug 17", "an error says so", error("quit")),
    "207_stmt_exit.txt": Changed("section 3, bug 17", "an error says so", error("exit")),
    "208_stmt_gibberish.txt": reworded(error("abc", "syntax error")),
    "209_stmt_delete_text.txt": reworded(
        text_error("not authorized: DELETE merged; queries only read")
    ),
    "211_multi_select.txt": Changed("rule 18", ONE_STATEMENT, TWO_STATEMENTS),
    "212_multi_select_diff_cols.txt": Changed("rule 18", ONE_STATEMENT, TWO_STATEMENTS),
    "213_multi_select_text.txt": Changed(
        "rule 18", ONE_STATEMENT, text_error("there are two statements; send one at a time")
    ),
    "214_multi_select_then_error.txt": Changed("rule 18, bug 17", ONE_STATEMENT, TWO_STATEMENTS),
    "216_zmq_multi_select_then_error.txt": Changed(
        "rule 18, bug 17", ONE_STATEMENT, TWO_STATEMENTS
    ),
    "217_multi_first_empty.txt": Changed("rule 18", ONE_STATEMENT, TWO_STATEMENTS),
    "218_out_types.txt": Changed(
        "section 3",
        "REAL as text is what CAST gives; an infinity is Inf",
        recorded_but(
            rows=[
                [
                    "",
                    "1",
                    "1.5",
                    cast("0.1 + 0.2"),
                    cast("1e300 * 10"),
                    cast("1/3.0"),
                    cast("123456789.123456789"),
                    "x",
                    "9223372036854775807",
                    cast("-0.0"),
                    "Inf",
                    cast("100000000000000000000.0"),
                ]
            ]
        ),
    ),
    "219_out_colnames.txt": KEPT,
    "221_out_blob_ascii.txt": KEPT,
    "222_out_unicode_literal_post.txt": Changed("rule 7, bug 20", NOT_ASCII, result(["a"], ["hé"])),
    "223_out_unicode_literal_get.txt": Changed("rule 7, bug 20", NOT_ASCII, result(["a"], ["hé"])),
    "224_out_unicode_literal_zmq.txt": Changed("rule 7, bug 20", NOT_ASCII, result(["a"], ["hé"])),
    "226_out_unicode_colname_post.txt": Changed("rule 7, bug 20", NOT_ASCII, result(["hé"], ["1"])),
    "227_functions_sqlite_version.txt": Changed(
        "section 6", "SQLite is a current one", recorded_but(rows=[[apsw.sqlite_lib_version()]])
    ),
    "228_case_insensitive.txt": KEPT,
    "229_quoted_name.txt": KEPT,
    "231_order_of_rows.txt": KEPT,
    "232_zmq_query.txt": KEPT,
    "233_zmq_query_two_frames.txt": Changed(
        "section 3, ZeroMQ", "a request is one frame", error("one frame", "2 frames")
    ),
    "234_zmq_query_no_semicolon.txt": KEPT,
    "236_zmq_query_sql_number.txt": reworded(error("sql", "string")),
    "237_zmq_query_err.txt": reworded(error_is("no such table: nosuch")),
    "238_zmq_invalid_json.txt": reworded(error("not JSON")),
    "239_zmq_empty_message.txt": reworded(error("empty", "JSON object")),
    "241_zmq_op_null.txt": reworded(error("No op specified")),
    "242_zmq_op_unknown.txt": reworded(error("Unrecognized op 'nosuchop'")),
    "243_zmq_get_table_list.txt": Changed(
        "rule 1, rule 20", ALL_STORED, tables_list(GEN2, len(GEN2_CONNECTIONS), 3)
    ),
    "244_zmq_show_tables.txt": Changed("rule 1, rule 20", ALL_STORED, ALL_TABLES_IN_GEN2),
    "246_zmq_delete.txt": reworded(error("hundred")),
    "247_zmq_generation_signal.txt": Changed(
        "section 3, bug 18", "every request is answered", error("'generation_signal'")
    ),
    "248_zmq_after_generation_signal.txt": KEPT,
    "266_https_no_auth.txt": Outside("HTTPS and its users have tests of their own"),
    "267_https_bad_auth.txt": Outside("HTTPS and its users have tests of their own"),
    "268_https_auth.txt": Outside("HTTPS and its users have tests of their own"),
    "269_port80_redirect.txt": Outside("there is no port 80 that leads to HTTPS"),
    "270_cli_sqlclient_query.txt": Outside("the ancestor's command line"),
    "271_cli_sqlclient_interactive.txt": Outside("the ancestor's command line"),
    "273_line_multi_line.txt": KEPT,
    "274_line_lf_only.txt": Changed(
        "section 3, bug 22",
        "LF ends a line as CRLF does",
        says("a\r\n=\r\n1\r\n1 rows returned\r\n", ""),
    ),
    "275_line_pipelined.txt": Changed(
        "section 3, bug 22",
        "each statement runs once",
        says(
            "a\r\n=\r\n1\r\n1 rows returned\r\nb\r\n=\r\n2\r\n1 rows returned\r\n",
            "c\r\n=\r\n3\r\n1 rows returned\r\n",
        ),
    ),
    "276_line_two_on_one.txt": Changed(
        "section 3",
        "a statement ends with its semicolon",
        says("a\r\n=\r\n1\r\n1 rows returned\r\nb\r\n=\r\n2\r\n1 rows returned\r\n"),
    ),
    "278_line_nonselect.txt": reworded(
        says(
            "SQL error: not authorized: DELETE hundred; queries only read\r\n",
            'SQL error: near "abc": syntax error\r\n',
        )
    ),
    "279_line_desc_show.txt": Changed(
        "rule 5, rule 6",
        "the types' names are ours; " + SPOOFED,
        all_of(
            types_as_rule_5_says,
            recorded_but(rows=[[*ONE_GENERATION, "DATETIME"]]),
            as_recorded,
            as_recorded,
            as_recorded,
            as_recorded,
        ),
    ),
    "280_line_show_tables.txt": Changed(
        "rule 1, rule 20", ALL_STORED, all_of(ALL_TABLES_IN_GEN2, connected(*GEN2_CONNECTIONS))
    ),
    "281_line_quit.txt": Changed("section 3, bug 22", "quit; ends it", says("Bye!\r\n", "")),
    "283_line_zero_rows.txt": Changed(
        "section 3", NO_ROWS, says("a  b\r\n=  =\r\n0 rows returned\r\n")
    ),
    "284_line_empty_line.txt": Changed(
        "preamble, as in psql",
        "as in psql, a semicolon with nothing before it is no statement",
        says("", "", "a\r\n=\r\n1\r\n1 rows returned\r\n"),
    ),
    "285_line_incomplete_then_stuck.txt": Changed(
        "rule 7",
        "text is as it was written; here the ancestor escapes, as the table does here",
        says(
            "",
            "",
            "'abc\\nselect 1;\\n'\r\n"
            "==================\r\n"
            "  abc\\nselect 1;\\n\r\n"
            "1 rows returned\r\n",
        ),
    ),
    "286_line_unicode.txt": Changed(
        "rule 7, bug 20", NOT_ASCII, says(" a\r\n==\r\nhé\r\n1 rows returned\r\n")
    ),
    "288_line_very_long.txt": Changed(
        "rule 19, bug 22",
        "a statement may have 1 MiB; this one only has too many columns",
        says("SQL error: too many columns in result set\r\n"),
    ),
    # gen3 to gen5
    "289_gen3_show_tables.txt": Changed(
        "rule 9, rule 20",
        "acol is carried too; more internal tables",
        listed(GEN3, len(GEN3_CONNECTIONS), 3),
    ),
    "290_gen3_persisted.txt": KEPT,
    "291_gen3_persist_key_collision.txt": Changed(
        "rule 9, bug 13",
        "acol of bc and aco of lbc are two",
        recorded_but(rows=[["aco"], ["acol"]]),
    ),
    "293_gen3_csvupd.txt": KEPT,
    "294_gen3_static.txt": KEPT,
    "295_gen3_gone.txt": reworded(error_is("no such table: merged")),
    "296_gen3_connections.txt": Changed(
        "rule 9, bug 25",
        "those whose rows were carried, and no phantom",
        connected(*GEN3_CONNECTIONS),
    ),
    "298_gen3_update_stats.txt": Changed(
        "bug 25",
        "what is counted are publications, in each generation anew; the server's own are not",
        nothing_new_counted,
    ),
    "299_sqlite_master_internal.txt": Changed(
        "rule 5, rule 20",
        "the types' names are ours, epochs are REAL, each reader makes _views for itself",
        seed_tables_have_the_seeds_columns,
    ),
    "300_gen3_unpersist.txt": stored(
        "rule 11", "plain after carried replaces and ends the persistence", 1
    ),
    "301_gen4_persisted.txt": Changed(
        "rule 11", "the publication of gen3 counts", recorded_but(rows=[["p1", "3"]])
    ),
    "302_gen5_persisted.txt": reworded(error_is("no such table: persisted")),
    "303_gensig_all_signals.txt": KEPT,
    # The instance "danger"
    "401_danger_publish_victim.txt": KEPT,
    "402_danger_publish_other.txt": KEPT,
    "403_danger_static_shadow_eph.txt": KEPT,
    "404_danger_static_shadow_static.txt": Changed(
        "rule 10", "static and live tables of one name do not coexist", error("shadow", "live")
    ),
    "405_danger_shadow_query.txt": KEPT,
    "406_danger_shadow_tables.txt": Changed(
        "rule 10", "only the live one is there", recorded_but(rows=[["shadow", "0"]])
    ),
    "407_danger_select_then_delete.txt": Changed("rule 18, bug 26", ONE_STATEMENT, TWO_STATEMENTS),
    "408_danger_after_delete.txt": Changed(
        "rule 18, bug 26",
        "nothing was deleted",
        recorded_but(rows=[["1", "x"], ["2", "y"], ["3", "z"]]),
    ),
    "409_danger_select_then_drop.txt": Changed("rule 18, bug 26", ONE_STATEMENT, TWO_STATEMENTS),
    "410_danger_after_drop.txt": Changed(
        "rule 18, bug 26", "nothing was dropped", result(["a"], ["1"])
    ),
    "414_danger_desc_injection.txt": reworded(error("desc", "syntax error")),
    "415_danger_after_desc_injection.txt": Changed(
        "rule 18, bug 26",
        "nothing was deleted",
        recorded_but(rows=[["1", "x"], ["2", "y"], ["3", "z"]]),
    ),
    "416_danger_load_extension.txt": reworded(error("not authorized", "load_extension")),
    "417_danger_blob_nonutf8_http.txt": Changed("section 3, bug 18", BLOB, result(["b"], ["ff"])),
    "418_danger_blob_nonutf8_text.txt": Changed("section 3", BLOB, result(["b"], ["ff"])),
    "419_danger_blob_nonutf8_zmq.txt": Changed("section 3, bug 18", BLOB, result(["b"], ["ff"])),
    "420_danger_unicode_column_name_text.txt": Changed(
        "rule 7", "é is kept", result(["e", "x"], ["é", "1"])
    ),
    "421_danger_randomblob.txt": KEPT,
    "422_danger_begin_on_writer.txt": Changed("rule 18, bug 11", ONE_STATEMENT, TWO_STATEMENTS),
    "423_danger_publish_after_begin.txt": stored("rule 1, bug 11", "and it is stored", 1),
    "424_danger_publish_after_begin_check.txt": Changed(
        "rule 1, bug 11", "it was stored", result(["a"], ["1"])
    ),
    "426_danger_zmq_before.txt": KEPT,
    "427_danger_zmq_missing_op.txt": Changed(
        "section 3, bug 18", "every request is answered", error("No op specified")
    ),
    "428_danger_zmq_after_missing_op.txt": KEPT,
    "429_danger_zmq_list.txt": Changed(
        "section 3, bug 18", "every request is answered", error("JSON object", "array")
    ),
    "430_danger_zmq_after_list.txt": KEPT,
    "431_danger_zmq_get_table_list.txt": Changed("rule 20", MORE_TABLES, tables_list({}, 1, 0)),
    "432_danger_http_after_zmq_failure.txt": KEPT,
    "434_danger_desc_injection2.txt": Changed(
        "rule 18, bug 27", "DESC takes a name", error("desc", "syntax error")
    ),
    "435_danger_after_desc_injection2.txt": Changed(
        "rule 18, bug 27",
        "nothing was deleted",
        recorded_but(rows=[["1", "x"], ["2", "y"], ["3", "z"]]),
    ),
    "437_restart_static_visible.txt": KEPT,
    "438_restart_show_tables.txt": Changed(
        "rule 15, rule 20",
        "static tables are listed from the start; more internal tables",
        listed({"st": (1, 1, 1)}, 1, 0),
    ),
}


# --- The tests ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> Answers:
    """What our server says to all that was recorded, told once, in order."""
    return replay(list(CASES.values()), tmp_path_factory.mktemp("golden"))


def answer_to(file: str, answers: Answers) -> Answer:
    """Our answer to a recorded request; raises what went wrong instead."""
    answer = answers[file]
    if isinstance(answer, Exception):
        raise answer
    return answer


def replayed() -> list[str]:
    """Each file that is replayed, as a test of its own."""
    return [file for file, found in TABLE.items() if not isinstance(found, Outside)]


@pytest.mark.parametrize("file", replayed())
def test_answer(file: str, answers: Answers) -> None:
    found = TABLE[file]
    check = found.check if isinstance(found, Changed) else as_recorded
    check(answer_to(file, answers), CASES[file])


def test_a_changed_answer_is_not_the_recorded_one(answers: Answers) -> None:
    """Else it belongs to the kept ones; only where both say ok may the receipt alone differ."""
    changed = [file for file, found in TABLE.items() if isinstance(found, Changed)]
    same = [file for file in changed if is_recorded(answer_to(file, answers), CASES[file])]
    assert [file for file in same if '"response_op": "ok"' not in CASES[file].received[0]] == []


def is_recorded(answer: Answer, case: Case) -> bool:
    """Whether the answer is the recorded one."""
    try:
        as_recorded(answer, case)
    except (AssertionError, ValueError):
        return False
    return True


def test_every_recorded_file_is_classified() -> None:
    assert list(TABLE) == list(CASES)


def test_every_answer_has_the_form_of_the_wire(answers: Answers) -> None:
    for file in answers:
        is_well_formed(answer_to(file, answers), CASES[file])


def test_the_generations_numbers_grow(answers: Answers) -> None:
    file = "303_gensig_all_signals.txt"
    growing_numbers(answer_to(file, answers), CASES[file])
