"""What becomes of a step that did not get every message."""

import os
from typing import Literal, cast, get_args

from dagster import DagsterInvariantViolationError

OnIncomplete = Literal["strict", "fail", "warn", "ignore"]
"""What to do where messages were lost.

- ``"strict"``: the step fails, also for what is otherwise a warning (messages that had to be
  repaired, no ``opened`` or ``closed``).
- ``"fail"``: the step fails. The default.
- ``"warn"``: the step passes, with the delivery report as a warning.
- ``"ignore"``: the step passes; only the event with the delivery report is stored.
"""

ON_INCOMPLETE_ENV_VAR = "IRONPIPE_ON_INCOMPLETE"

_CHOICES: tuple[str, ...] = get_args(OnIncomplete)


def check_on_incomplete(value: str | None) -> OnIncomplete | None:
    """Checks an ``on_incomplete`` argument.

    Args:
        value: One of the choices, or None for "not said here".

    Returns:
        The same value.

    Raises:
        DagsterInvariantViolationError: It is something else.
    """
    return None if value is None else _check(value, "on_incomplete")


def resolve_on_incomplete(*values: OnIncomplete | None) -> OnIncomplete:
    """The first choice that somebody made, then ``IRONPIPE_ON_INCOMPLETE``, then ``"fail"``.

    Args:
        values: Choices made in code, the nearest to the call first.

    Raises:
        DagsterInvariantViolationError: The environment variable holds something else.
    """
    for value in values:
        if value is not None:
            return value
    from_environment = os.environ.get(ON_INCOMPLETE_ENV_VAR)
    if not from_environment:
        return "fail"
    return _check(
        from_environment.strip().lower(), f"the environment variable {ON_INCOMPLETE_ENV_VAR}"
    )


def _check(value: str, name: str) -> OnIncomplete:
    if value not in _CHOICES:
        choices = ", ".join(f'"{choice}"' for choice in _CHOICES)
        raise DagsterInvariantViolationError(f"{name} must be one of {choices}; got {value!r}.")
    return cast("OnIncomplete", value)
