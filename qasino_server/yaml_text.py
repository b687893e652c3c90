"""YAML as a person wrote it -> values, or one sentence on why not.

PyYAML has an error for what is no YAML, but lets those of its own constructors through: the
13th month of a year is a ValueError, `!!int ''` an IndexError, a thousand brackets a
RecursionError. It also reads "\\ud800" as half of a surrogate pair, which neither SQLite nor a
hash nor a log takes. A file that is read again while the server runs must not end it.
"""

from __future__ import annotations

import re
from contextlib import suppress
from typing import Any

from qasino_server.errors import BadRequest

_THEIRS = (ValueError, TypeError, LookupError, AttributeError, ArithmeticError)
"""Of PyYAML's constructors."""

_NAMED = re.compile(r"\b(alias|anchor|tag|tag handle) '.*'")
"""What PyYAML repeats of a file that holds `*secret` or `!secret`."""


_NUMBERS = {f"tag:yaml.org,2002:{kind}" for kind in ("int", "float", "timestamp")}


def read_yaml(text: str | bytes, as_written: bool = False, names_as_written: bool = False) -> Any:
    """The values. Raises BadRequest.

    `as_written`, what YAML takes for a number or a date is the text that stands there: 010 is 8
    to it, 12:30 is 750, and 1.10 is 1.1. `names_as_written`, so are the keys of the outermost
    mapping, whatever YAML takes them for: `on` is true to it.
    """
    import yaml  # 12 ms, which a server without such files never pays

    try:
        found = _load(text, as_written, names_as_written)
    except RecursionError:
        raise BadRequest("not YAML: it is nested too deeply") from None
    except (yaml.YAMLError, *_THEIRS) as error:
        raise BadRequest(f"not YAML: {_problem(error)}") from None
    _check_text(found)
    return found


def _load(text: str | bytes, as_written: bool, names_as_written: bool) -> Any:
    """As `yaml.safe_load`; by libyaml where that is there, in a fifth of the time.

    Who reads a file that has changed keeps a port waiting. What libyaml cannot read is left to
    PyYAML's own parser: it takes a little more, and says in the same words everywhere what is
    wrong.
    """
    import yaml

    quick = getattr(yaml, "CSafeLoader", None)
    if quick is not None:
        with suppress(yaml.YAMLError, RecursionError, *_THEIRS):
            return _load_by(_taking(quick, as_written), text, names_as_written)
    return _load_by(_taking(yaml.SafeLoader, as_written), text, names_as_written)


def _taking(loader: type[Any], as_written: bool) -> type[Any]:
    if not as_written:
        return loader
    kept = {
        first: [(tag, pattern) for tag, pattern in resolvers if tag not in _NUMBERS]
        for first, resolvers in loader.yaml_implicit_resolvers.items()
    }
    return type("AsWritten", (loader,), {"yaml_implicit_resolvers": kept})


def _load_by(loader: Any, text: str | bytes, names_as_written: bool) -> Any:
    reading = loader(text)
    try:
        node = reading.get_single_node()
        if node is None:
            return None
        if names_as_written:
            _take_names(node)
        _check_keys(node)
        return reading.construct_document(node)
    finally:
        reading.dispose()


def _take_names(root: Any) -> None:
    """Have the keys of this mapping be texts."""
    from yaml import MappingNode, ScalarNode

    for key, _ in root.value if isinstance(root, MappingNode) else ():
        if isinstance(key, ScalarNode) and not key.tag.endswith(":merge"):
            key.tag = "tag:yaml.org,2002:str"


def _check_keys(root: Any) -> None:
    """Raise ConstructorError where a key stands twice in a mapping.

    YAML has it that none does; of PyYAML's values the last one counts, and who wrote a user's
    entry twice lost the first without a word. Before anything is constructed: then the keys that
    `<<` brings are among the others.
    """
    from yaml import MappingNode, ScalarNode
    from yaml.constructor import ConstructorError

    looked_into: set[int] = set()
    rest = [root]
    while rest:
        node = rest.pop()
        if isinstance(node, ScalarNode) or id(node) in looked_into:
            continue
        looked_into.add(id(node))
        if not isinstance(node, MappingNode):
            rest += node.value
            continue
        seen: set[tuple[str, str]] = set()
        for key, value in node.value:
            rest += key, value
            if isinstance(key, ScalarNode) and not key.tag.endswith(":merge"):
                if (key.tag, key.value) in seen:
                    raise ConstructorError(None, None, "a key is there twice", key.start_mark)
                seen.add((key.tag, key.value))


def _problem(error: Exception) -> str:
    """What is wrong, and where; the text there may be a secret and is not repeated."""
    problem, mark = getattr(error, "problem", None), getattr(error, "problem_mark", None)
    if problem is None:
        said = " ".join(str(error).split())
        return "a value is not what its form or its tag says" if "'" in said else said
    said = ": ".join(filter(None, (getattr(error, "context", None), problem)))
    said = _NAMED.sub(r"\1", " ".join(said.split()))
    return said if mark is None else f"{said} (line {mark.line + 1}, column {mark.column + 1})"


def _check_text(found: Any) -> None:
    """Raise BadRequest where a text, a key's too, is none in UTF-8.

    Its sentence does not repeat the text, which may be a token.
    """
    looked_into: set[int] = set()
    """By identity: an anchor can stand in itself, or be used very often."""
    rest = [found]
    while rest:
        value = rest.pop()
        if isinstance(value, str):
            try:
                value.encode()
            except UnicodeEncodeError as error:
                half = f'"\\u{ord(value[error.start]):04x}"'
                raise BadRequest(
                    f"{half} is half of a surrogate pair; write the character itself"
                ) from None
        elif isinstance(value, dict | list | tuple | set) and id(value) not in looked_into:
            looked_into.add(id(value))
            rest += value
            if isinstance(value, dict):
                rest += value.values()
