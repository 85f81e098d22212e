"""Assets ``a`` and ``b``, materialized by ``family.py``, which reports ``a`` and then waits.

As a program, ``family_assets.py DIRECTORY``, it is the process that executes the run, with the
instance in DIRECTORY. Dagster's commands take it as a code location. What it does is told by tags
of the run or the environment: ``FAMILY_DIRECTORY``, ``FAMILY`` (the arguments of ``family.py``),
``FAMILY_HOW`` (``run`` or ``stream``), and ``FAMILY_CLIENT``, the arguments of the client as JSON.
"""

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg

from ironpipe.dagster import PipesSubprocessClient


@dg.multi_asset(specs=[dg.AssetSpec("a", code_version="1"), dg.AssetSpec("b")], name="family")
def family(context: dg.AssetExecutionContext) -> Iterator[Any]:
    told = {**os.environ, **context.run.tags}
    client = PipesSubprocessClient(**json.loads(told["FAMILY_CLIENT"]))
    script = str(Path(__file__).parent / "family.py")
    command = [sys.executable, script, told["FAMILY_DIRECTORY"], *told["FAMILY"].split()]
    if told["FAMILY_HOW"] == "stream":
        yield from client.stream(context=context, command=command)
    else:
        yield from client.run(context=context, command=command).get_results()


defs = dg.Definitions(
    assets=[family], jobs=[dg.define_asset_job("family_job", dg.AssetSelection.all())]
)


if __name__ == "__main__":
    with dg.DagsterInstance.local_temp(sys.argv[1]) as instance:
        dg.materialize([family], instance=instance)
