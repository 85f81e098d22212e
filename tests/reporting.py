"""What external processes are told to do: the entries of the extra ``do`` of ``report.py``."""

from typing import Any

import dagster as dg

from dagster_harness import command
from ironpipe.dagster import PipesClientCompletedInvocation, PipesSubprocessClient

Step = tuple[str, Any]
FACTS: Step = ("facts", None)


def materialize(asset_key: str | None = None, version: str | None = None, **metadata: Any) -> Step:
    params = {"asset_key": asset_key, "data_version": version, "metadata": metadata or None}
    return ("report_asset_materialization", params)


def check(name: str, asset_key: str | None = None, **params: Any) -> Step:
    return ("report_asset_check", {"check_name": name, "asset_key": asset_key, **params})


def custom(payload: object) -> Step:
    return ("report_custom_message", {"payload": payload})


def invoke(
    context: Any, *do: Step, client: dg.PipesSubprocessClient | None = None, **extras: Any
) -> PipesClientCompletedInvocation:
    """Runs the process by our client."""
    return (client or PipesSubprocessClient()).run(
        context=context, command=command("report.py"), extras={"do": do, **extras}
    )
