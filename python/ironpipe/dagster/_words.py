"""How counts and exits are put into words."""

import signal
from collections.abc import Sequence


def count(number: int, noun: str) -> str:
    """``1 message``, ``2 messages``."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def enumerate_names(noun: str, names: Sequence[str]) -> str:
    """``writer a``, ``writers a, b``, ``writers a, b, c and 7 more``."""
    shown, more = ", ".join(names[:3]), len(names) - 3
    return f"{noun}{'' if len(names) == 1 else 's'} {shown}" + (
        f" and {more:,} more" if more > 0 else ""
    )


def shorten(text: str, limit: int = 200) -> str:
    """The text on one line, cut after ``limit`` characters."""
    text = " ".join(text.split())
    return text if len(text) <= limit else f"{text[:limit]}…"


def signal_name(returncode: int) -> str | None:
    """The name of the signal behind a negative return code, or None where there is none."""
    if returncode >= 0:
        return None
    try:
        return signal.Signals(-returncode).name
    except ValueError:
        return f"signal {-returncode}"


def describe_exit(returncode: int) -> str:
    """``code 3``, or ``code -9: killed by SIGKILL``.

    Begins as the official client's text does, which people match on.
    """
    name = signal_name(returncode)
    return f"code {returncode}" if name is None else f"code {returncode}: killed by {name}"
