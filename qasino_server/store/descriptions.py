"""What a table's columns mean, in words: given with publications, or carried with their rows."""

from __future__ import annotations

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
        whose = publication.identity
        known = {key: (text, giver) for key, text, giver in self.given}
        for column, text in zip(publication.columns, publication.descriptions, strict=True):
            _, giver = known.get(column.key, ("", whose))
            if text and giver == whose:
                known[column.key] = text, whose
        given = tuple((key, *told) for key, told in known.items())
        return self if given == self.given else msgspec.structs.replace(self, given=given)

    def carry(self, before: Descriptions, columns: Columns) -> Descriptions:
        """With those that these columns had before; itself where that has nothing new."""
        words = before.of_columns
        if not words:
            return self
        known = {key for key, *_ in self.carried}
        wanted = [c.key for c in columns if c.key in words and c.key not in known]
        new = tuple((key, words[key], "") for key in wanted)
        return msgspec.structs.replace(self, carried=self.carried + new) if new else self
