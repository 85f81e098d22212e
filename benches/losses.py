"""What the official client loses and ours does not, side by side, through real Dagster.

``make losses`` prints it as a Markdown table. Where a reader meets a line that is half written, how
much is lost is a matter of chance: those stand there with several runs.
"""

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass

import dagster as dg

import ironpipe.dagster
from dagster_harness import command, run_command


@dataclass
class Fault:
    """One way to misbehave, and how many good messages are sent around it."""

    words: str
    script: str
    args: Sequence[str]
    sent: int = 10
    runs: int = 1


def misbehave(words: str, mode: str) -> Fault:
    return Fault(words, "misbehave.py", [mode])


FAULTS = [
    Fault(
        "big messages by the official writer: 1 MB each",
        "official_big.py",
        ["300", "1000000"],
        300,
        3,
    ),
    Fault("the same, 9 kB each", "official_big.py", ["300", "9000"], 300, 3),
    misbehave("a line written in two halves, 50 ms apart", "half-lines"),
    misbehave("a line that is not JSON", "not-json"),
    misbehave("an empty line", "blank-line"),
    misbehave("a method that nobody knows", "unknown-method"),
    misbehave("a log with the level TRACE", "level-trace"),
    misbehave("a byte that is not UTF-8", "not-utf-8"),
    misbehave("a param that Dagster does not know", "unknown-param"),
    misbehave("a metadata value that is not of its type", "wrong-metadata"),
    misbehave("a numbered message is missing", "line-removed"),
]


def arrived(fault: Fault, client: dg.PipesSubprocessClient) -> str:
    """How many good messages came through, and how the step ended."""
    counts: list[str] = []
    outcomes: set[str] = set()
    for _ in range(fault.runs):
        custom: list[object] = []
        with dg.DagsterInstance.ephemeral() as instance:
            stored = run_command(
                client,
                command(fault.script, *fault.args),
                instance=instance,
                on_invocation=lambda done, to=custom: to.extend(done.get_custom_messages()),
            )
        good = [log for log in stored.logs() if log.startswith("good ")]
        counts.append(str(len(good) + len(custom)))
        outcomes.add("passed" if stored.success else "failed")
    return f"{' / '.join(counts)}, {' or '.join(sorted(outcomes))}"


def main() -> None:
    # Dagster and the readers' threads speak of their troubles on stderr.
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    print(f"dagster {dg.__version__}; messages that arrived, and the outcome of the step\n")
    print("| what happens among good messages | sent | official | ironpipe |")
    print("|---|---|---|---|")
    for fault in FAULTS:
        official = arrived(fault, dg.PipesSubprocessClient())
        ours = arrived(fault, ironpipe.dagster.PipesSubprocessClient())
        print(f"| {fault.words} | {fault.sent} | {official} | {ours} |")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
