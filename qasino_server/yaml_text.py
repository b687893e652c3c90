"""YAML as a person wrote it -> values, or one sentence on why not.

PyYAML has an error for what is no YAML, but lets those of its own constructors through: the
13th month of a year is a ValueError, `!!int ''` an IndexError, a thousand brackets a
RecursionError. A file that is read again while the server runs must not end it.
"""

from __future__ import annotations

from typing import Any

from qasino_server.errors import BadRequest

_THEIRS = (ValueError, TypeError, LookupError, AttributeError, ArithmeticError)
"""Of PyYAML's constructors."""


def read_yaml(text: str | bytes) -> Any:
    """The values. Raises BadRequest."""
    import yaml  # 12 ms, which a server without such files never pays

    try:
        return yaml.safe_load(text)
    except RecursionError:
        raise BadRequest("not YAML: it is nested too deeply") from None
    except (yaml.YAMLError, *_THEIRS) as error:
        raise BadRequest(f"not YAML: {' '.join(str(error).split())}") from None
