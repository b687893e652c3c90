"""YAML that Qasino reads: values that can be stored and shown, or a sentence."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from qasino_server.errors import BadRequest
from qasino_server.yaml_text import read_yaml


@pytest.mark.parametrize(
    "text",
    [
        '"\\ud800"',
        '"\\ud83d\\ude00"',
        '{"\\ud800": 1}',
        '{a: [b, {c: "x\\udfff"}]}',
        '!!set {"\\ud800"}',
        '!!omap [a: "\\ud800"]',
        '[&a [*a, "\\ud800"]]',
    ],
)
def test_half_of_a_surrogate_pair_is_no_text(text: str) -> None:
    with pytest.raises(BadRequest, match=r'^"\\u[0-9a-f]{4}" is half of a surrogate pair'):
        read_yaml(text)


def test_other_texts_and_anchors_are_read() -> None:
    found = read_yaml('[&a [*a, b], "\\U0001f600", !!binary /w==, 2001-01-01, 1.5, null]')
    assert found[0][0] is found[0]
    assert found[1:3] == ["\U0001f600", b"\xff"]


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("ann: {}\nbob: {}\nann: {}", "line 3, column 1"),
        ("- {view: a, viewname: b, view: c}", "line 1, column 26"),
        ("? {a: 1, a: 2}\n: b", "line 1, column 10"),
    ],
)
def test_a_key_stands_once_in_a_mapping(text: str, place: str) -> None:
    with pytest.raises(BadRequest, match=rf"a key is there twice \({place}\)"):
        read_yaml(text)


def test_keys_that_are_merged_or_of_another_form_are_others() -> None:
    text = "a: &a {x: 1}\nb: &b {<<: *a, x: 2}\nc: {<<: *b, x: 3}\n1: d\n'1': e"
    assert read_yaml(text) == yaml.safe_load(text)
    assert read_yaml("c: {<<: [{x: 1}, {x: 2}], <<: {y: 1}}") == {"c": {"x": 1, "y": 1}}


def test_a_list_that_is_used_a_million_times_is_looked_into_once() -> None:
    lists = [f"- &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 20)]
    assert len(read_yaml("\n".join(["- &a0 [x]", *lists]))) == 20


@pytest.mark.skipif(not yaml.__with_libyaml__, reason="PyYAML was built without libyaml")
def test_libyaml_reads_where_it_is_there() -> None:
    """In a fifth of the time; what shows it is that it takes a tab here, and PyYAML none."""
    assert read_yaml("a:\tb") == {"a": "b"}
    with pytest.raises(yaml.YAMLError):
        yaml.safe_load("a:\tb")


TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | TEXTS


@given(
    values=st.recursive(
        SCALARS, lambda inner: st.lists(inner) | st.dictionaries(TEXTS, inner), max_leaves=8
    ),
    flow=st.booleans(),
)
def test_what_pyyaml_writes_is_read_as_it_was(values: Any, flow: bool) -> None:
    assert read_yaml(yaml.safe_dump(values, default_flow_style=flow)) == values


def refusal(text: str) -> str | None:
    """Why it is not read; None where it is."""
    try:
        read_yaml(text)
    except BadRequest as error:
        return error.sentence
    return None


@example(text="{a, a}")
@given(text=st.text(st.sampled_from("ab:- \n\t\"'#[]{},&*|>?%@1\\"), max_size=20))
def test_what_pyyaml_reads_is_read_the_same(text: str) -> None:
    try:
        meant = yaml.safe_load(text)
    except Exception:
        return
    refused = refusal(text)
    if refused is None:
        assert repr(read_yaml(text)) == repr(meant)
    else:
        assert refused.startswith("not YAML: a key is there twice")


SECRET = "t-0123456789"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (f'a: ["{SECRET}], role: [read]', "found unexpected end of stream (line 1, column 33)"),
        (f"a: [{SECRET}", "(line 1, column 17)"),
        (f"a:\n  b: [*{SECRET}]", "found undefined alias (line 2, column 7)"),
        (f"[&{SECRET} a, &{SECRET} b]", "found duplicate anchor; first occurrence: second"),
        (f"a: !{SECRET} b", "constructor for the tag (line 1, column 4)"),
        (f"a: !x!{SECRET} b", "found undefined tag handle (line 1, column 4)"),
        (f"a: %{SECRET}", "found character '%' that cannot start any token"),
        (f"{SECRET}: a: b", "mapping values are not allowed here"),
        (f'a: !!int "{SECRET}"', "a value is not what its form or its tag says"),
        (f'a: !!bool "{SECRET}"', "a value is not what its form or its tag says"),
        ("a: 2001-13-01", "not YAML: month must be in 1..12"),
        ("a: \x01", "special characters are not allowed"),
    ],
)
def test_what_is_wrong_is_said_without_the_text_that_is_there(text: str, said: str) -> None:
    with pytest.raises(BadRequest) as caught:
        read_yaml(text)
    assert said in caught.value.sentence
    assert SECRET not in caught.value.sentence
    assert "\n" not in caught.value.sentence
