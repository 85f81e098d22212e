"""A Dagster asset that launches a Rust program.

``dagster dev -f definitions.py`` serves it; ``run.py`` materializes it once and shows what Dagster
stored. The program ``ferris_says`` must be on the PATH.
"""

import dagster as dg

from ironpipe.dagster import PipesSubprocessClient


@dg.asset(
    check_specs=[
        dg.AssetCheckSpec("ferris_should_say_something", asset="ferris", blocking=True),
        dg.AssetCheckSpec("ferris_should_speak_3_words", asset="ferris"),
    ]
)
def ferris(context: dg.AssetExecutionContext, pipes: PipesSubprocessClient):
    """What the crab said."""
    invocation = pipes.run(context=context, command=["ferris_says", "what you want"])
    return invocation.get_results()


defs = dg.Definitions(assets=[ferris], resources={"pipes": PipesSubprocessClient()})
