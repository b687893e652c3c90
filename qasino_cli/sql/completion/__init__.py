"""Completion of SQL at a cursor, over the live catalog. Pure: text in, candidates out.

Only the statement around the cursor counts. Whatever is typed, nothing here raises, and
nothing waits: values that are not known yet are simply not offered.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import msgspec

from qasino_cli.catalog import Catalog
from qasino_cli.sql.completion import suggest
from qasino_cli.sql.completion.candidates import KEYWORDS, Candidate, Offer, ranked
from qasino_cli.sql.completion.commands import NamesSaved, PathsBeginning, offered_commands
from qasino_cli.sql.completion.scope import clause_around, clause_at, grouped
from qasino_cli.sql.lexer import Token, meaningful, tokens

__all__ = ["Candidate", "complete"]

ValuesOf = Callable[[str, str], Sequence[str] | None]
"""(table, column) -> its commonest values as SQL literals; None where they are not known yet."""

MAX_CHARS = 20_000
"""Of a longer text only so much around the cursor is looked at: a paste must not stall."""

_COMPARISONS = frozenset({"=", "==", "!=", "<>", "<", ">", "<=", ">=", "LIKE", "GLOB", "IS", "IN"})
_AFTER_SOURCE = ("join", "left join", "where", "group by", "order by", "on", "using (", "as")
_BEGUN = frozenset({"LEFT", "RIGHT", "FULL", "INNER", "OUTER", "CROSS", "GROUP", "ORDER"})
"""What the first word of several says already."""
_DESCRIBING = ("DESC", "DESCRIBE")
_STATEMENTS = ("select", "with", "values", "explain query plan", "show", "desc", "set", "kill")
_NAMES = ("column", "table", "view", "alias", "schema")
_SETS = {
    "": ("use_write_db = true", "use_write_db = false"),
    "USE_WRITE_DB =": ("true", "false"),
}
"""What goes on with a SET, by what it says already."""
_SHOWS = ("tables", "info", "connections", "views", "queries", "tables like '")


def complete(
    text: str,
    cursor: int,
    catalog: Catalog,
    values_of: ValuesOf,
    commands: Mapping[str, str] | None = None,
    saved: NamesSaved = tuple,
    formats: Sequence[str] = (),
    paths: PathsBeginning = lambda begun: (),
) -> list[Candidate]:
    """The best 50 candidates for the place at `cursor`, the best first.

    `commands` are the prompt's own (`\\d` -> one line of help), `saved` gives the names of
    saved queries, `formats` those of output formats, `paths` finds files: what the arguments of
    commands may be.
    """
    text, cursor = _near(text, cursor)
    found = tokens(text)
    command = _command_begun(found, text, cursor)
    if command is not None:
        follows = text[cursor : cursor + 1]
        return offered_commands(command, catalog, commands or {}, saved, formats, paths, follows)
    found = _statement(found, cursor)
    at = _token_at(found, cursor)
    if at is not None and at.kind == "comment" and cursor > at.start and _inside(at, cursor):
        return []
    return _Place(found, at, cursor, catalog, values_of).candidates()


def _command_begun(found: list[Token], text: str, cursor: int) -> str | None:
    """The command the cursor is in, as far as it is typed; it may stand behind a statement.

    Behind \\G the line goes on with SQL.
    """
    for n in reversed(range(len(found))):
        token = found[n]
        if _is_backslash(token) and token.start < cursor:
            typed = text[token.start : cursor]
            over = "\n" in typed or (_is_mysqls_end(found, n + 1) and found[n + 1].end < cursor)
            return None if over else typed
    return None


def _is_backslash(token: Token) -> bool:
    return token.kind == "operator" and token.text == "\\"


def _is_mysqls_end(found: list[Token], n: int) -> bool:
    """Whether the token there is the G of a \\G, which ends a statement as `;` does."""
    return 0 < n < len(found) and found[n].text == "G" and _is_backslash(found[n - 1])


def _near(text: str, cursor: int) -> tuple[str, int]:
    cursor = max(0, min(cursor, len(text)))
    if len(text) <= MAX_CHARS:
        return text, cursor
    begins = max(0, cursor - MAX_CHARS // 2)
    return text[begins : begins + MAX_CHARS], cursor - begins


def _statement(found: list[Token], cursor: int) -> list[Token]:
    """The tokens of the statement the cursor is in."""
    begins, ends = 0, len(found)
    for n, token in enumerate(found):
        if (token.kind == "operator" and token.text == ";") or _is_mysqls_end(found, n):
            if token.end <= cursor:
                begins = n + 1
            else:
                ends = n
                break
    return found[begins:ends]


def _token_at(found: list[Token], cursor: int) -> Token | None:
    """The token that ends at the cursor or goes over it."""
    for token in found:
        if token.start < cursor <= token.end:
            return token
    return None


def _inside(token: Token, cursor: int) -> bool:
    return cursor < token.end or token.open


class _Place:
    """The cursor's place in one statement."""

    def __init__(
        self,
        found: list[Token],
        at: Token | None,
        cursor: int,
        catalog: Catalog,
        values_of: ValuesOf,
    ) -> None:
        self._values_of = values_of
        self._at = at if at is not None and _is_typed(at, cursor) else None
        """What is being typed: a word, a quoted name, a string or a number."""
        begins = cursor if self._at is None else self._at.start
        solid = meaningful(found)
        self._before = [token for token in solid if token.end <= begins]
        self._typed = "" if self._at is None else self._at.text[: cursor - self._at.start]
        self._follows = "" if self._at is None else self._at.text[cursor - self._at.start :]
        """What is left of that behind the cursor."""
        self._group = grouped(solid, cursor)[1]
        self._clause = clause_around(self._group, begins)
        self._sight = suggest.sight(catalog, self._group, cursor)

    def candidates(self) -> list[Candidate]:
        """What fits here."""
        if self._at is not None and self._at.kind == "string":
            return self._values(quoted_only=True)
        if self._at is not None and self._at.kind == "number":
            return []
        if self._at is not None and self._at.kind == "quoted":
            return self._quoted(self._at)
        offers = list(self._offers(typed := self._typed))
        usual = ranked(self._usual_after_is(), typed, len(typed))
        others = self._values(quoted_only=False) + ranked(offers, typed, len(typed))
        return usual + [candidate for candidate in others if candidate not in usual]

    def _usual_after_is(self) -> list[Offer]:
        """What IS mostly has behind it, before any value and any name."""
        last = [token.upper for token in self._before[-2:]]
        usual = ("null",) if last == ["IS", "NOT"] else ("null", "not") if "IS" in last[-1:] else ()
        begun = self._typed.lower()
        fitting = [(n, word) for n, word in enumerate(usual) if word.startswith(begun)]
        return [offer for n, word in fitting for offer in _words((word,), self._upper(), n)]

    def _quoted(self, at: Token) -> list[Candidate]:
        """Names, within the quotes that have been begun where the closing one follows."""
        typed = self._typed[1:]
        offers = [offer for offer in self._offers(typed) if offer.kind in _NAMES]
        closing = "]" if at.text[0] == "[" else at.text[0]
        if self._follows != closing:
            return ranked(offers, typed, len(self._typed))
        within = [
            msgspec.structs.replace(offer, text=offer.name.replace(closing, closing * 2))
            for offer in offers
        ]
        return ranked(within, typed, len(typed))

    # --- Which offers -----------------------------------------------------------------------

    def _offers(self, typed: str) -> list[Offer]:
        words = [token.upper for token in self._before]
        qualifier = self._qualifier()
        if qualifier is not None:
            clause = "from" if words[0] in _DESCRIBING else self._clause
            return list(suggest.qualified(self._sight, qualifier, clause, typed))
        if not words:
            return _words(_STATEMENTS, self._upper())
        special = self._of_shortcuts(words, typed)
        if special is not None:
            return special
        return self._of_clause(words[-1], typed)

    def _of_shortcuts(self, words: list[str], typed: str) -> list[Offer] | None:
        """SHOW, DESC, SET and KILL are ours, not SQLite's."""
        if words[0] == "SHOW":
            return _words(_SHOWS, False) if len(words) == 1 else []
        if words[0] in _DESCRIBING and len(words) <= 2:
            if words[-1] == "VIEW":
                return [o for o in suggest.tables(self._sight, typed) if o.kind == "view"]
            return [*suggest.tables(self._sight, typed), *_words(("view",), self._upper())]
        if words[0] == "SET":
            return _words(_SETS.get(" ".join(words[1:]), ()), False)
        return [] if words[0] == "KILL" else None

    def _of_clause(self, last: str, typed: str) -> list[Offer]:
        if self._in_using():
            return list(suggest.common_columns(self._sight, typed))
        if self._in_from(last):
            return [*suggest.tables(self._sight, typed), *_words(("select",), self._upper(), 3)]
        if self._clause == "from":
            after = [word for word in _AFTER_SOURCE if last not in _BEGUN or " " not in word]
            return (
                [*_words(after, self._upper(), -1), *suggest.keywords(self._upper())]
                if typed
                else []
            )
        if _is_operand(self._before[-1]):
            return list(suggest.keywords(self._upper())) if typed else []
        offers = list(suggest.expression(self._sight, self._clause, typed, self._upper()))
        if self._clause == "on" and last == "ON":
            offers += suggest.conditions(self._sight)
        return offers

    def _in_from(self, last: str) -> bool:
        """Whether a table or a subquery may stand here."""
        if self._clause == "from":
            return last in ("FROM", "JOIN", ",")
        parent = self._group.parent
        if last != "(" or parent is None or self._clause != "start":
            return False
        return clause_at(parent, self._group.start) == "from" and not self._in_using()

    def _in_using(self) -> bool:
        """Whether the cursor is between the parentheses of USING (..)."""
        parent = self._group.parent
        if parent is None:
            return False
        place = parent.items.index(self._group)
        before = parent.items[place - 1] if place else None
        return isinstance(before, Token) and before.upper == "USING"

    def _qualifier(self) -> str | None:
        """What stands before a `.` that the cursor follows, lower case."""
        if len(self._before) >= 2 and self._before[-1].text == ".":
            return self._before[-2].name.lower()
        return None

    def _upper(self) -> bool:
        """Whether keywords are being typed in capitals here."""
        if self._typed:
            return self._typed.isupper()
        words = [token.text for token in self._before if token.kind == "word"]
        return bool(words) and words[0].isupper()

    # --- Values -----------------------------------------------------------------------------

    def _values(self, quoted_only: bool) -> list[Candidate]:
        """Literals of the column that is compared with what is typed."""
        reference = self._compared_column()
        if reference is None:
            return []
        target = suggest.column_source(self._sight, *reference)
        values = None if target is None else self._values_of(*target)
        if not values or target is None:
            return []
        typed = self._typed
        closed = self._follows == "'"
        offers = [
            Offer(
                value.strip("'") or value,
                value[:-1] if closed else value,
                "value",
                0,
                f"of {target[1]}",
                place,
                _meant(value),
            )
            for place, value in enumerate(values)
            if value.startswith("'") or not quoted_only
        ]
        return ranked(offers, typed.lstrip("'"), len(typed))

    def _compared_column(self) -> tuple[str, str] | None:
        """(qualifier, column) before the comparison the cursor is on the right of."""
        before = self._before
        n = len(before) - 1
        if n >= 0 and before[n].text in ("(", ","):  # IN ('a', '
            while n >= 0 and before[n].upper != "IN":
                if before[n].kind not in ("string", "number") and before[n].text not in ("(", ","):
                    return None
                n -= 1
        if n >= 1 and before[n].upper == "NOT" and before[n - 1].upper == "IS":
            n -= 1
        if n < 1 or before[n].upper not in _COMPARISONS:
            return None
        n -= 1
        while n > 0 and before[n].upper in ("NOT", "IS"):
            n -= 1
        if before[n].kind not in ("word", "quoted"):
            return None
        if n >= 2 and before[n - 1].text == ".":
            return before[n - 2].name.lower(), before[n].name
        return "", before[n].name


def _meant(literal: str) -> str:
    """The value that SQL writes so."""
    return literal[1:-1].replace("''", "'") if literal.startswith("'") else literal


def _is_typed(token: Token, cursor: int) -> bool:
    """Whether the token is what is being typed, not what stands before it."""
    if token.kind in ("string", "quoted"):
        return cursor < token.end or token.open
    return token.kind in ("word", "number")


def _is_operand(token: Token) -> bool:
    """Whether an expression may end with it, so that no other can begin behind it."""
    if token.kind == "word":
        return token.upper not in KEYWORDS
    return token.kind in ("string", "quoted", "number") or token.text == ")"


def _words(words: Sequence[str], upper: bool, group: int = 0) -> list[Offer]:
    """Keywords on offer in this order."""
    return [
        Offer(word, word.upper() if upper else word, "keyword", group, keep_order=place)
        for place, word in enumerate(words)
    ]
