"""Who is missed, by what was heard of them."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from qasino_server.store.absence import Absence
from qasino_server.store.ledger import Ledger, Pair, Source, TableState

PAIRS: tuple[Pair, ...] = (("t", "a"), ("t", "b"), ("u", "a"))
FORGET_AFTER_S = 10.0


def books(number: int, present: frozenset[Pair]) -> Ledger:
    """A generation in which these have published, 0.25 s after it began."""
    ledger = Ledger(number)
    for key, identity in present:
        ledger.put_table(key, TableState(name=f"{key.upper()}{number}", columns=()))
        source = Source(ranges=(), shape=0, update_epoch=number + 0.254)
        ledger.put_source((key, identity), source)
    ledger.commit()
    return ledger


@given(
    st.lists(
        st.tuples(st.frozensets(st.sampled_from(PAIRS)), st.sampled_from([1.0, 4.0, 10.0, 11.0])),
        max_size=12,
    )
)
def test_who_came_before_is_missed_until_it_comes_again_or_is_long_gone(
    generations: list[tuple[frozenset[Pair], float]],
) -> None:
    absence, now = Absence(FORGET_AFTER_S, most=100), 0.0
    heard: dict[Pair, int] = {}
    missed_since: dict[Pair, float] = {}
    for number, (present, took_s) in enumerate(generations):
        now += took_s
        for pair in PAIRS:
            if pair in present:
                heard[pair] = number
                missed_since.pop(pair, None)
            elif pair in heard:
                missed_since.setdefault(pair, now)
        told = absence.note(books(number, present), now)
        assert sorted(told) == sorted(
            (identity, f"{key.upper()}{at}", at + 0.25, number - at)
            for (key, identity), at in heard.items()
            if at < number and now - missed_since[key, identity] <= FORGET_AFTER_S
        )


def test_of_too_many_those_that_were_missed_first_are_forgotten() -> None:
    absence = Absence(FORGET_AFTER_S, most=2)
    told: list[list[str]] = []
    for number, present in enumerate((PAIRS, PAIRS[1:], PAIRS[2:], ())):
        rows = absence.note(books(number, frozenset(present)), float(number))
        told.append([f"{table[0].lower()} {identity}" for identity, table, *_ in rows])
    assert told == [[], ["t a"], ["t a", "t b"], ["t b", "u a"]]
