"""Remembering what a function has said, as long as that takes up little room.

functools.lru_cache counts what it remembers, and a text from outside may have a megabyte.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from sys import getsizeof
from typing import Any, TypeVar

MOST_BYTES = 1 << 20

Function = TypeVar("Function", bound=Callable[..., Any])


def remembered(most: int) -> Callable[[Function], Function]:
    """Have a function remember `most` answers, with what was asked, in about MOST_BYTES.

    It is an lru_cache, to which nothing is added where it knows the answer. Where what it was
    told since it was empty takes up more it is emptied; what is too large by itself is forgotten
    at the next question that is new. What is asked and answered are numbers, texts, and tuples.
    """

    def decorate(function: Function) -> Function:
        told_bytes = 0

        def tell(*asked: Any) -> Any:
            nonlocal told_bytes
            answer = function(*asked)
            size_bytes = bytes_of((asked, answer))
            told_bytes += size_bytes
            if told_bytes > MOST_BYTES:
                told.cache_clear()
                told_bytes = size_bytes
            return answer

        told = lru_cache(most)(tell)
        return told  # type: ignore[return-value]  # it is called as the function is

    return decorate


def bytes_of(value: Any) -> int:
    """The bytes in memory of a number, a text, or a tuple with what it holds."""
    held = sum(map(bytes_of, value)) if type(value) is tuple else 0
    return getsizeof(value) + held
