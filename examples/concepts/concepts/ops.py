"""Ops, and what is made of them: graphs and jobs."""

import sys

import dagster as dg

from ironpipe.dagster import PipesSubprocessClient


# Types are checked on both sides of the process: one that gets no integers never starts.
@dg.op(ins={"a": dg.In(int), "b": dg.In(int)}, out=dg.Out(int))
def add(context: dg.OpExecutionContext, pipes: PipesSubprocessClient, a, b):
    """Adds two integers."""
    run = pipes.run(context=context, command=[sys.executable, "add.py"], extras={"a": a, "b": b})
    (total,) = run.get_custom_messages()
    return total


@dg.job
def add_job():
    """Its two inputs come from the run config."""
    add()


# A graph is wiring and runs nothing itself. The second use of an op gets the name add_2.
@dg.graph
def add_three(a: int, b: int, c: int) -> int:
    """Adds three integers, two at a time."""
    return add(add(a, b), c)


add_three_job = add_three.to_job()


@dg.op
def find_word(context: dg.OpExecutionContext, pipes: PipesSubprocessClient) -> str:
    """Finds a word."""
    # This line and those of the process stand in one log, in the order in which they were said.
    context.log.info(f"{context.op.name} asks a process for a word")
    run = pipes.run(context=context, command=[sys.executable, "find_word.py"])
    (word,) = run.get_custom_messages()
    return word


@dg.op
def shout(context: dg.OpExecutionContext, pipes: PipesSubprocessClient, word: str) -> str:
    """Says it in capitals."""
    run = pipes.run(context=context, command=[sys.executable, "shout.py"], extras={"word": word})
    (shouted,) = run.get_custom_messages()
    return shouted


# The string passes from one op to the next through an I/O manager, never between the processes.
@dg.job
def shout_job():
    """Finds a word and shouts it."""
    shout(find_word())
