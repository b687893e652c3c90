"""What typer reads of a command: its signature, where options are told otherwise than one by one.

A command may take some of its options as one value (`folded`), or all of them from a table.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable, Sequence
from typing import Any


def keyword(name: str, annotation: Any, default: object) -> inspect.Parameter:
    """A parameter as typer reads it."""
    kind = inspect.Parameter.KEYWORD_ONLY
    return inspect.Parameter(name, kind, default=default, annotation=annotation)


def parameters_of(function: Callable[..., Any]) -> list[inspect.Parameter]:
    """Those of a function, to be given by name."""
    found = inspect.signature(function, eval_str=True).parameters.values()
    return [each.replace(kind=inspect.Parameter.KEYWORD_ONLY) for each in found]


def declare(command: Callable[..., Any], parameters: Iterable[inspect.Parameter]) -> None:
    """Have typer read these in place of what a command that takes `**values` says itself."""
    told = inspect.Signature(list(parameters))
    command.__signature__ = told  # type: ignore[attr-defined]  # `inspect` looks for it there


def folded(
    command: Callable[..., Any],
    into: str,
    make: Callable[..., Any],
    options: Sequence[inspect.Parameter],
) -> Callable[..., Any]:
    """Give a command these options in the place of its parameter `into`, and hand it there what
    `make` makes of their values."""

    @functools.wraps(command)
    def with_options(**values: Any) -> Any:
        made = make(**{option.name: values.pop(option.name) for option in options})
        return command(**values, **{into: made})

    parameters: list[inspect.Parameter] = []
    for own in parameters_of(command):
        parameters += options if own.name == into else [own]
    declare(with_options, parameters)
    return with_options
