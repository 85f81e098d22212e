"""The rows of ``docs/reliability.md``, each through real Dagster with the official client and ours.

``make losses`` prints them as a Markdown table. Where the official reader meets a line that is half
written, how much is lost is a matter of chance: those stand there with several runs.
"""

import contextlib
import io
import os
import sys

import dagster as dg

import ironpipe.dagster
from dagster_harness import command, run_command
from reliability import STDOUT, Row, delivered, reader_for, rows

RUNS = {"official-300-of-9-kb": 3, "official-300-of-1-mb": 3}
# Gigabytes that show nothing of either side that the others do not.
LEFT_OUT = {"official-3-of-64-mb", "ten-million-lines", "ten-million-bad-lines"}


def arrived(row: Row, client: type[dg.PipesSubprocessClient]) -> str:
    """How many messages came through, and how the step ended."""
    outcomes: list[str] = []
    for _ in range(RUNS.get(row.id, 1)):
        custom: list[object] = []
        output = io.StringIO()
        options = {} if client is dg.PipesSubprocessClient else {"keep_partial_results": True}
        with dg.DagsterInstance.ephemeral() as instance, contextlib.redirect_stdout(output):
            stored = run_command(
                client(message_reader=reader_for(row.id), **options),
                command("misbehave.py", row.id),
                instance=instance,
                on_invocation=lambda done, to=custom: to.extend(done.get_custom_messages()),
            )
        number = delivered(stored, len(custom), output.getvalue())
        outcomes.append(f"{number}, {'green' if stored.success else 'red'}")
    return " / ".join(outcomes)


def main() -> None:
    # Dagster and the readers' threads speak of their troubles on stderr.
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    print(f"dagster {dg.__version__}; messages that arrived, and how the step ended\n")
    kind = ""
    for row in rows():
        # Dagster has no reader for the stdout of a process that it launches.
        if row.id in LEFT_OUT or row.id.startswith(STDOUT):
            continue
        if row.kind != kind:
            kind = row.kind
            print(f"\n**{kind}**\n\n| what the process does | sent | official | ironpipe |")
            print("|---|---|---|---|")
        official = arrived(row, dg.PipesSubprocessClient)
        ours = arrived(row, ironpipe.dagster.PipesSubprocessClient)
        print(f"| {row.words} | {row.sent} | {official} | {ours} |")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
