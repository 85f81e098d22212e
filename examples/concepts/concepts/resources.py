"""Resources: what steps share, made in one place and swapped in one place."""

import sys
from pathlib import Path

import dagster as dg
from dagster_aws.s3 import S3PickleIOManager, S3Resource

from ironpipe.dagster import PipesSubprocessClient

# The one client of the project. Where the programs lie is said here, and nowhere else.
client = PipesSubprocessClient(cwd=str(Path(__file__).parent / "processes"))

# Nothing is looked up until a run needs it: without the variable, all but that one job work.
s3 = S3PickleIOManager(
    s3_resource=S3Resource(), s3_bucket=dg.EnvVar("CONCEPTS_BUCKET"), s3_prefix="concepts"
)


class Greeter(dg.ConfigurableResource):
    """A resource of your own around the client."""

    # Another resource, as it is; beside it any setting that the launchpad may change.
    pipes: dg.ResourceDependency[PipesSubprocessClient]
    word: str = "Hello"

    def greet(self, context: dg.OpExecutionContext, whom: str) -> None:
        """Says a word to somebody."""
        self.pipes.run(
            context=context,
            command=[sys.executable, "say_hello.py"],
            extras={"greeting": f"{self.word}, {whom}"},
        )


# A typed parameter names what the op needs: the resource under the key `greeter`.
@dg.op
def greet_the_moon(context: dg.OpExecutionContext, greeter: Greeter) -> None:
    """Greets by our own resource."""
    greeter.greet(context, "moon")


# The older way: the key as a string, the resource out of the context, with no type.
@dg.op(required_resource_keys={"pipes"})
def greet_the_sun(context: dg.OpExecutionContext) -> None:
    """Greets by the client itself."""
    context.resources.pipes.run(
        context=context,
        command=[sys.executable, "say_hello.py"],
        extras={"greeting": "Hello, sun"},
    )


@dg.job
def resources_job():
    """Greets in both ways."""
    greet_the_moon()
    greet_the_sun()
