"""Asset checks: whether what was made is as it should be."""

import sys

import dagster as dg

from ironpipe.dagster import PipesSubprocessClient

from .data_versions import File, letter


# The process reports the check, as it reports an asset. A blocking one holds up what is downstream.
@dg.asset_check(asset=letter, blocking=True)
def letter_has_words(
    context: dg.AssetCheckExecutionContext, config: File, pipes: PipesSubprocessClient
) -> dg.AssetCheckResult:
    """Whether there is anything to count."""
    return pipes.run(
        context=context, command=[sys.executable, "check_letter.py"], extras={"path": config.path}
    ).get_asset_check_result()
