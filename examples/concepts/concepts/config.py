"""Config: what somebody chooses when a run is launched, on its way to the process."""

import sys

import dagster as dg

from ironpipe.dagster import PipesSubprocessClient


# The schema is the form in the launchpad: a value that does not fit starts no run.
@dg.op(config_schema={"greeting": dg.Field(str, description="What is said.")})
def say_hello(context: dg.OpExecutionContext, pipes: PipesSubprocessClient) -> None:
    """Says what the config says."""
    # The config reaches the process as its extras: JSON, checked by Dagster already.
    pipes.run(context=context, command=[sys.executable, "say_hello.py"], extras=context.op_config)


# The older way to a simple form: users fill in one word, and need not know which op gets it.
@dg.config_mapping(config_schema={"greeting_word": str})
def greeting(config):
    """Makes the config of the op from one word."""
    return {"ops": {"say_hello": {"config": {"greeting": f"{config['greeting_word']}, world"}}}}


@dg.job(config=greeting)
def greeting_job():
    """Says hello with the word of your choice."""
    say_hello()


class Greeting(dg.Config):
    """The newer way: a typed class in place of a schema, with defaults."""

    word: str = "Hello"
    times: int = 1


@dg.op
def say_it_again(
    context: dg.OpExecutionContext, config: Greeting, pipes: PipesSubprocessClient
) -> None:
    """Says it as often as the config says."""
    pipes.run(
        context=context,
        command=[sys.executable, "say_hello.py"],
        extras={"greeting": " ".join([config.word] * config.times)},
    )


@dg.job
def typed_greeting_job():
    """Says hello, once where nobody chooses."""
    say_it_again()
