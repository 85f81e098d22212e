"""A run whose external process reads a line from the terminal: ``terminal_run.py FILE``.

It writes the line to FILE.
"""

import sys

import dagster as dg

from ironpipe.dagster import PipesSubprocessClient

READ = "import sys; open(sys.argv[1], 'w').write(input())"


@dg.asset
def a(context: dg.AssetExecutionContext) -> object:
    argv = [sys.executable, "-c", READ, sys.argv[1]]
    return PipesSubprocessClient().run(context=context, command=argv).get_results()


if __name__ == "__main__":
    with dg.DagsterInstance.ephemeral() as instance:
        dg.materialize([a], instance=instance)
