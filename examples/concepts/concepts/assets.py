"""Assets: what a step leaves behind, and what it is made from."""

import sys

import dagster as dg

from ironpipe.dagster import PipesSubprocessClient


@dg.asset
def asset1(context: dg.AssetExecutionContext, pipes: PipesSubprocessClient) -> dg.MaterializeResult:
    """The first of three."""
    # The asset's context logs as the op's does, and knows what is being made.
    context.log.info(f"making {context.asset_key.to_user_string()}")
    return pipes.run(
        context=context, command=[sys.executable, "make_asset.py"]
    ).get_materialize_result()


# `deps` is lineage alone: nothing is loaded, since the processes read what lies where they agree.
@dg.asset(deps=[asset1])
def asset2(context: dg.AssetExecutionContext, pipes: PipesSubprocessClient) -> dg.MaterializeResult:
    """The second, after the first."""
    return pipes.run(
        context=context, command=[sys.executable, "make_asset.py"]
    ).get_materialize_result()


@dg.asset(deps=[asset2])
def asset3(context: dg.AssetExecutionContext, pipes: PipesSubprocessClient) -> dg.MaterializeResult:
    """The last."""
    return pipes.run(
        context=context, command=[sys.executable, "make_asset.py"]
    ).get_materialize_result()
