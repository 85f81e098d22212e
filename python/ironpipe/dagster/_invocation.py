"""What a client's ``run`` gives back."""

# Dagster leaves the types of its results half open.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false

from typing import Any

from dagster import MaterializeResult
from dagster._core.definitions.utils import NoValueSentinel
from dagster._core.pipes.client import PipesClientCompletedInvocation as OfficialInvocation


class PipesClientCompletedInvocation(OfficialInvocation):
    """The results of a run. Drop-in for ``dagster.PipesClientCompletedInvocation``.

    Asking for results never takes them away: they are the same however often they are asked for.

    Args:
        session: The session, closed.
        metadata: Attached to each result.
    """

    def get_materialize_result(
        self, *, implicit_materialization: bool = True, value: Any = NoValueSentinel
    ) -> MaterializeResult[Any]:
        """The one materialization, with the checks that were reported.

        Args:
            implicit_materialization: Whether to make one where none was reported.
            value: The value of the asset, for its I/O manager to store: so a downstream asset can
                take what the external process reported as an input. From Dagster 1.11 on.

        Raises:
            DagsterPipesError: There is none, or more than one.
        """
        result = super().get_materialize_result(implicit_materialization=implicit_materialization)
        return result if value is NoValueSentinel else result._replace(value=value)
