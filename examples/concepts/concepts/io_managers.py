"""I/O managers: how a value gets from one step to another."""

import sys

import dagster as dg

from ironpipe.dagster import PipesSubprocessClient


@dg.asset
def numbers(
    context: dg.AssetExecutionContext, pipes: PipesSubprocessClient
) -> dg.MaterializeResult[list[int]]:
    """Numbers that a process finds."""
    run = pipes.run(context=context, command=[sys.executable, "find_numbers.py"])
    (found,) = run.get_custom_messages()
    # With a value, the I/O manager stores what the process said, beside what it reported.
    return run.get_materialize_result(value=found)


# So an ordinary asset takes it as an argument, and need not know that a process made it.
@dg.asset
def total(numbers: list[int]) -> int:
    """Their sum, in plain Python."""
    return sum(numbers)


@dg.asset(key_prefix=["shop", "europe"])
def prices(
    context: dg.AssetExecutionContext, pipes: PipesSubprocessClient
) -> dg.MaterializeResult[list[int]]:
    """An asset whose key has three parts."""
    run = pipes.run(context=context, command=[sys.executable, "find_numbers.py"])
    (listed,) = run.get_custom_messages()
    return run.get_materialize_result(value=listed)


# AssetIn says which asset an argument is, where its name alone does not: the key has parts.
@dg.asset(ins={"listed": dg.AssetIn(key=["shop", "europe", "prices"])})
def lowest_price(
    context: dg.AssetExecutionContext, pipes: PipesSubprocessClient, listed: list[int]
) -> dg.MaterializeResult:
    """The lowest price, found by a second process."""
    return pipes.run(
        context=context, command=[sys.executable, "find_lowest.py"], extras={"numbers": listed}
    ).get_materialize_result()


# This output alone goes to S3. All others stay where the default I/O manager puts them.
@dg.op(out=dg.Out(str, io_manager_key="s3"))
def write_report(context: dg.OpExecutionContext, pipes: PipesSubprocessClient):
    """A report, kept in a bucket."""
    run = pipes.run(context=context, command=[sys.executable, "find_word.py"])
    (report,) = run.get_custom_messages()
    return report


@dg.op
def read_report(context: dg.OpExecutionContext, pipes: PipesSubprocessClient, report: str) -> None:
    """Reads it back: what stored a value also loads it."""
    pipes.run(
        context=context, command=[sys.executable, "say_hello.py"], extras={"greeting": report}
    )


@dg.job
def s3_job():
    """Writes a report to S3 and reads it."""
    read_report(write_report())
