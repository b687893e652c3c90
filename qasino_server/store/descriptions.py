"""What a table's columns mean, in words: given with publications, or carried with their rows."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from qasino_server.table import Columns, Publication

_Words = tuple[tuple[str, str, str], ...]
"""(column key, sentence, whose); of a column the first counts, until who gave it says another."""


class Descriptions(msgspec.Struct, frozen=True):
    """Those of one table in one generation."""

    given: _Words = ()
    carried: _Words = ()
    """Given in a generation before; they count where none is given in this one."""

    @property
    def of_columns(self) -> dict[str, str]:
        """The sentences by column key."""
        return {key: text for key, text, _ in self.carried + self.given}

    @property
    def size_bytes(self) -> int:
        """How much room they take, near enough."""
        return sum(len(text) for _, text, _ in self.given + self.carried)

    def give(self, publication: Publication) -> Descriptions:
        """With those of a publication; itself where that has nothing new."""
        if not publication.descriptions:
            return self
        keys = [column.key for column in publication.columns]
        words = zip(keys, publication.descriptions, strict=True)
        given = _added(self.given, words, publication.identity)
        return self if given is self.given else msgspec.structs.replace(self, given=given)

    def carry(self, before: Descriptions, columns: Columns) -> Descriptions:
        """With those that these columns had before; itself where that has nothing new."""
        words = before.of_columns
        if not words:
            return self
        carried = _added(self.carried, ((c.key, words.get(c.key, "")) for c in columns))
        return self if carried is self.carried else msgspec.structs.replace(self, carried=carried)


def _added(known: _Words, more: Iterable[tuple[str, str]], whose: str = "") -> _Words:
    """With more words; `whose` they are replaces their own, nobody's only add to what is known."""
    taken = {key: (text, giver) for key, text, giver in known}
    new = {}
    for key, text in more:
        before, giver = taken.get(key, ("", whose))
        is_theirs = giver == whose and (whose or not before)
        if text and text != before and is_theirs:
            new[key] = (key, text, whose)
    if not new:
        return known
    return tuple(new.pop(word[0], word) for word in known) + tuple(new.values())
