"""Drop-ins for Dagster's components that run a script as an external process.

The official ones build the official client themselves. In a ``defs.yaml``, write
``type: ironpipe.dagster.components.PythonScriptComponent`` instead of
``type: dagster.PythonScriptComponent``; the attributes stay as they are.
"""

# Dagster leaves the types of its results half open.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false

import shutil
from collections.abc import Sequence

from dagster import AssetCheckExecutionContext, AssetExecutionContext, ComponentLoadContext
from dagster._core.errors import DagsterInvariantViolationError
from dagster.components.lib.executable_component.python_script_component import (
    PythonScriptComponent as OfficialPythonScriptComponent,
)
from dagster.components.lib.executable_component.script_utils import ScriptSpec, get_cmd
from dagster.components.lib.executable_component.uv_run_component import (
    UvRunComponent as OfficialUvRunComponent,
)

from ._client import PipesSubprocessClient
from ._policy import OnIncomplete
from ._types import Result

__all__ = ["PythonScriptComponent", "UvRunComponent"]


class PythonScriptComponent(OfficialPythonScriptComponent):
    """Runs a Python script by our client. Drop-in for ``dagster.PythonScriptComponent``.

    One attribute more: ``on_incomplete``, what to do where messages were lost.
    """

    on_incomplete: OnIncomplete | None = None

    def invoke_execute_fn(
        self,
        context: AssetExecutionContext | AssetCheckExecutionContext,
        component_load_context: ComponentLoadContext,
    ) -> Sequence[Result]:
        """Runs the script.

        Args:
            context: The context of the step.
            component_load_context: Where the component was loaded from.

        Returns:
            What the script reported.

        Raises:
            ProcessFailedError: It failed.
            MessagesLostError: It did not fail, but messages were lost.
        """
        return _run(self, [_find("python")], context, component_load_context)


class UvRunComponent(OfficialUvRunComponent):
    """Runs a Python script by ``uv run``, by our client. Drop-in for ``dagster.UvRunComponent``.

    One attribute more: ``on_incomplete``, what to do where messages were lost.
    """

    on_incomplete: OnIncomplete | None = None

    def invoke_execute_fn(
        self,
        context: AssetExecutionContext | AssetCheckExecutionContext,
        component_load_context: ComponentLoadContext,
    ) -> Sequence[Result]:
        """Runs the script.

        Args:
            context: The context of the step.
            component_load_context: Where the component was loaded from.

        Returns:
            What the script reported.

        Raises:
            ProcessFailedError: It failed.
            MessagesLostError: It did not fail, but messages were lost.
        """
        return _run(self, [_find("uv"), "run"], context, component_load_context)


def _run(
    component: PythonScriptComponent | UvRunComponent,
    runner: list[str],
    context: AssetExecutionContext | AssetCheckExecutionContext,
    load_context: ComponentLoadContext,
) -> Sequence[Result]:
    if component.resource_keys:
        keys = ", ".join(sorted(component.resource_keys))
        raise DagsterInvariantViolationError(f"A script takes no resources; got {keys}.")
    spec: ScriptSpec = component.execution
    command = get_cmd(script_runner_exe=runner, spec=spec, path=str(load_context.path))
    client = PipesSubprocessClient(on_incomplete=component.on_incomplete)
    return client.run(context=context, command=command).get_results()


def _find(program: str) -> str:
    found = shutil.which(program)
    if found is None:
        raise DagsterInvariantViolationError(
            f"`{program}` is not on the PATH of the process that runs the step."
        )
    return found
