"""The exceptions and warnings of ironpipe.

::

    Exception
    └── DagsterPipesError          what Dagster would refuse, or a session that can't be opened
        └── NotJsonError           a value that JSON does not have; a TypeError and ValueError too
    Warning
    └── DagsterPipesWarning

What the system refuses (a missing file, a full disk) is an ``OSError`` with its number and path.
The names are those of ``dagster_pipes``.
"""

__all__ = ["DagsterPipesError", "DagsterPipesWarning", "NotJsonError"]


class DagsterPipesError(Exception):
    """Something that Dagster would refuse was asked for, or a session can't be opened."""


class DagsterPipesWarning(Warning):
    """A warning of ironpipe."""


class NotJsonError(DagsterPipesError, TypeError, ValueError):
    """A value can't be sent because JSON has no text for it.

    The message names the type and the place: ``metadata['x'].rows[3]``. ``json.dumps`` raises
    ``TypeError`` for an unknown type and ``ValueError`` for a value that holds itself, so code
    that catches either of them sees this one too.
    """
