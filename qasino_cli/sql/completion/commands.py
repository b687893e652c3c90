"""Completion of the prompt's own commands, those that begin with a backslash."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence

from qasino_cli.catalog import Catalog
from qasino_cli.sql.completion.candidates import Candidate, Offer, ranked, table_meta
from qasino_cli.sql.completion.suggest import SCHEMAS, likely_tables

PathsBeginning = Callable[[str], Sequence[str]]
"""The beginning of a path -> the paths that begin so."""

NamesSaved = Callable[[], Sequence[str]]
"""The names of the saved queries, which a file has: it is not read at each keystroke."""

_NAME = re.compile(
    rf"""(?:(?:{"|".join(SCHEMAS)})\.)?(?P<quote>["'`[]?)(?P<begun>.*)""", re.IGNORECASE
)
_OF_FILES = ("\\i", "\\o", "\\g", "\\gx", "\\e")


def offered_commands(
    before: str,
    catalog: Catalog,
    commands: Mapping[str, str],
    saved: NamesSaved,
    formats: Sequence[str],
    paths: PathsBeginning,
    follows: str = "",
) -> list[Candidate]:
    """The command at the beginning of the text, or its argument; `follows` is the character behind
    the cursor."""
    command, blank, argument = before.lstrip().partition(" ")
    if not blank:
        offers = [
            Offer(n, n, "command", 0, help, p) for p, (n, help) in enumerate(commands.items())
        ]
        fitting = [offer for offer in offers if offer.name.startswith(command)]
        return ranked(fitting, "", len(command))
    if command in _OF_FILES:
        return _files(argument.lstrip(), paths, follows)
    typed = argument.rpartition(" ")[2]
    if command.removesuffix("+") in ("\\d", "\\dt", "\\dv"):
        return _tables(typed, follows, catalog, views_only=command.startswith("\\dv"))
    if command == "\\pset":
        command = _option_named(argument)
    return ranked(_arguments(command, saved, formats), typed, len(typed))


def _files(argument: str, paths: PathsBeginning, follows: str) -> list[Candidate]:
    """Files, those with a blank in quotes; what follows `|` is a command of the shell."""
    if argument.startswith("|"):
        return []
    quote = argument[:1] if argument[:1] in ("'", '"') else ""
    typed = argument if quote else argument.rpartition(" ")[2]
    begun = typed.removeprefix(quote)
    offers = [
        Offer(path, _as_argument(path, quote, follows), "file", 0, "", place)
        for place, path in enumerate(paths(begun))
    ]
    return ranked(offers, begun, len(typed))


def _as_argument(path: str, quote: str, follows: str) -> str:
    """A path as it is typed: quotes stay open behind a directory, for what is in it."""
    quote = quote or ("'" if " " in path else "")
    closing = "" if path.endswith("/") or follows == quote else quote
    return f"{quote}{path}{closing}"


def _tables(typed: str, follows: str, catalog: Catalog, views_only: bool) -> list[Candidate]:
    """Tables and views; a schema, and a quote that is begun, stand before what is completed."""
    name = _NAME.fullmatch(typed)
    if name is None:
        return []
    closing = "" if name["quote"] == follows else name["quote"].replace("[", "]")
    offers = [
        Offer(table.name, table.name + closing, "table", 0, table_meta(table), place)
        for place, table in enumerate(likely_tables(catalog, name["begun"]))
        if table.kind == "view" or not views_only
    ]
    return ranked(offers, name["begun"], len(name["begun"]))


_OPTIONS = {
    "format": "\\format",
    "expanded": "\\x",
    "tuples_only": "\\t",
    "pager": "\\t",
    "null": "",
}
"""What \\pset sets -> the command that sets the same."""


def _option_named(argument: str) -> str:
    """The command with the arguments that come next behind \\pset; itself where that is a name."""
    name, blank, _ = argument.lstrip().partition(" ")
    return _OPTIONS.get(name, "") if blank else "\\pset"


def _arguments(command: str, saved: NamesSaved, formats: Sequence[str]) -> list[Offer]:
    if command in ("\\run", "\\forget", "\\save"):
        return [Offer(name, name, "command", 0, "saved query", p) for p, name in enumerate(saved())]
    if command == "\\pset":
        return [Offer(name, name, "command", 0, "option", p) for p, name in enumerate(_OPTIONS)]
    if command == "\\format":
        return [Offer(name, name, "command", 0, "format", p) for p, name in enumerate(formats)]
    if command in ("\\x", "\\t", "\\timing"):
        words = ("on", "off", "auto") if command == "\\x" else ("on", "off")
        return [Offer(word, word, "command", 0, "", p) for p, word in enumerate(words)]
    return []
