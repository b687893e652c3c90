"""Publications in one transaction: those that are alike together, the others one by one.

Runs at the writer's desk only.
"""

from __future__ import annotations

from collections.abc import Sequence

from qasino_server.errors import QasinoError, Refused
from qasino_server.store.alike import alike
from qasino_server.store.intake import CarryFirst, Intake
from qasino_server.store.ledger import Pair
from qasino_server.store.names_taken import NamesTaken
from qasino_server.store.postponed import Outcome
from qasino_server.table import Publication


def transact(
    intake: Intake, names: NamesTaken, publications: Sequence[Publication]
) -> list[Outcome | None]:
    """The outcome of each, None for one that has to wait for its rows to be carried.

    Raises apsw.Error where the disk fails them, having changed nothing.
    """
    ledger = intake.ledger
    try:
        with intake.generation.transaction:
            intake.begin()
            outcomes = _store_all(intake, names, publications)
    except BaseException:
        ledger.rollback()
        raise
    ledger.commit()
    return outcomes


def _store_all(
    intake: Intake, names: NamesTaken, publications: Sequence[Publication]
) -> list[Outcome | None]:
    outcomes: dict[int, Outcome | None] = {}
    for group in alike(publications, intake.ledger, intake.adds):
        outcomes |= _store_alike(intake, names, group, [publications[place] for place in group])
    waits: set[Pair] = set()
    for place, publication in enumerate(publications):
        if waits and publication.pair in waits:
            outcomes[place] = None
        elif place not in outcomes:
            outcomes[place] = outcome = _store(intake, names, publication)
            if outcome is None:
                waits.add(publication.pair)
    return [outcomes[place] for place in range(len(publications))]


def _store_alike(
    intake: Intake, names: NamesTaken, places: list[int], publications: list[Publication]
) -> dict[int, Outcome | None]:
    """The outcomes by place; none where they have to be stored one by one after all."""
    try:
        names.refuse(publications[0])
    except Refused:
        return {}
    receipts = intake.store_alike(publications)
    return {} if receipts is None else dict(zip(places, receipts, strict=True))


def _store(intake: Intake, names: NamesTaken, publication: Publication) -> Outcome | None:
    try:
        names.refuse(publication)
        return intake.store(publication)
    except CarryFirst:
        return None
    except QasinoError as error:
        return error.landed()
