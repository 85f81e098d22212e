"""Data versions: whether an asset is still made from what is there now."""

import sys
from pathlib import Path

import dagster as dg

from ironpipe.dagster import PipesSubprocessClient


class File(dg.Config):
    """Where a text lies."""

    path: str = str(Path(__file__).parent / "data" / "letter.txt")


@dg.asset
def letter(
    context: dg.AssetExecutionContext, config: File, pipes: PipesSubprocessClient
) -> dg.MaterializeResult:
    """A text that may change."""
    return pipes.run(
        context=context, command=[sys.executable, "read_letter.py"], extras={"path": config.path}
    ).get_materialize_result()


# A new data version upstream makes this one stale; making the same letter again does not.
@dg.asset(deps=[letter])
def word_count(
    context: dg.AssetExecutionContext, config: File, pipes: PipesSubprocessClient
) -> dg.MaterializeResult:
    """How many words it has."""
    return pipes.run(
        context=context, command=[sys.executable, "count_words.py"], extras={"path": config.path}
    ).get_materialize_result()
