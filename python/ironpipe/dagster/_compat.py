"""The range of Dagster that this package is tested with, and what differs within it."""

import warnings
from typing import TYPE_CHECKING, Any

import dagster
from dagster import DagsterInvariantViolationError
from packaging.version import Version

if TYPE_CHECKING:
    from dagster import PipesCompositeMessageReader as OfficialCompositeReader
    from dagster._core.pipes.context import PIPES_COMPOSITE_WRITERS_KEY
    from dagster._core.pipes.utils import _ChildMessageHandler as OfficialChildHandler

__all__ = [
    "PIPES_COMPOSITE_WRITERS_KEY",
    "OfficialChildHandler",
    "OfficialCompositeReader",
    "UntestedDagsterWarning",
]

_OLDEST = "1.10.15"
# With all its patch releases.
_NEWEST = "1.13"


class UntestedDagsterWarning(UserWarning):
    """The installed Dagster is older or newer than those that this package is tested with."""


def _warn_if_untested() -> None:
    installed, newest = Version(dagster.__version__), Version(_NEWEST)
    if installed < Version(_OLDEST):
        advice = "Install a later Dagster."
    elif installed >= Version(f"{newest.major}.{newest.minor + 1}.dev0"):
        advice = "If something fails, look for a later ironpipe, or install an earlier Dagster."
    else:
        return
    warnings.warn(
        f"ironpipe.dagster is tested with Dagster {_OLDEST} to {_NEWEST}, and {installed} is"
        f" installed. {advice}",
        UntestedDagsterWarning,
        # Whoever imports the package.
        stacklevel=4,
    )


# Once in a process, and before anything that another Dagster may not have is asked for.
_warn_if_untested()

if not TYPE_CHECKING:
    try:
        from dagster import PipesCompositeMessageReader as OfficialCompositeReader
        from dagster._core.pipes.context import PIPES_COMPOSITE_WRITERS_KEY
        from dagster._core.pipes.utils import _ChildMessageHandler as OfficialChildHandler
    except ImportError:  # up to 1.13.1
        PIPES_COMPOSITE_WRITERS_KEY = "dagster_pipes_composite_writers"

        class OfficialCompositeReader(dagster.PipesMessageReader):
            """Stands for a class that is not there yet."""

            def __new__(cls, *_: Any, **__: Any) -> Any:
                raise DagsterInvariantViolationError(
                    "PipesCompositeMessageReader needs Dagster 1.13.2 or later;"
                    f" {dagster.__version__} is installed."
                )

        class OfficialChildHandler:
            """Stands for a class that has no objects yet."""
