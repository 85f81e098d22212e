"""The range of Dagster: the warning outside of it, and what an old one lacks."""

import subprocess
import sys
from pathlib import Path

import dagster as dg
import pytest

import ironpipe.dagster as ours

ROOT = Path(__file__).parents[2]

# Imports the package, opens two sessions, and prints each warning of ours.
PROGRAM = """
import warnings
import dagster

with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    dagster.__version__ = {version!r}
    import ironpipe.dagster

    @dagster.op
    def two_sessions(context):
        for _ in range(2):
            ironpipe.dagster.PipesSubprocessClient().run(context=context, command=["true"])

    @dagster.job
    def job():
        two_sessions()

    assert job.execute_in_process().success
for warning in caught:
    if issubclass(warning.category, ironpipe.dagster.UntestedDagsterWarning):
        print(f"{{warning.filename}}: {{warning.message}}")
"""


def warnings_with(version: str) -> list[str]:
    program = PROGRAM.format(version=version)
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@pytest.mark.parametrize(
    ("version", "advice"),
    [
        ("1.9.13", "Install a later Dagster."),
        ("1.10.14", "Install a later Dagster."),
        ("1.14.0", "look for a later ironpipe"),
        ("1.14.0rc1", "look for a later ironpipe"),
        ("2.0.0", "look for a later ironpipe"),
        ("1!0+dev", "look for a later ironpipe"),
    ],
)
def test_outside_of_the_range_there_is_one_warning(version: str, advice: str) -> None:
    (warning,) = warnings_with(version)
    assert warning.startswith("<string>: ironpipe.dagster is tested with Dagster 1.10.15 to 1.13,")
    assert f"and {version} is installed" in warning
    assert advice in warning


@pytest.mark.parametrize("version", ["1.10.15", "1.13.0", "1.13.99", dg.__version__])
def test_within_the_range_there_is_none(version: str) -> None:
    assert warnings_with(version) == []


def test_it_can_be_silenced_as_any_user_warning() -> None:
    assert issubclass(ours.UntestedDagsterWarning, UserWarning)


@pytest.mark.parametrize("text", ["README.md", "docs/architecture.md"])
def test_the_texts_name_the_range(text: str) -> None:
    assert "1.10.15" in (ROOT / text).read_text()


def test_the_package_asks_for_the_oldest() -> None:
    assert '"dagster>=1.10.15"' in (ROOT / "pyproject.toml").read_text()


@pytest.mark.skipif(hasattr(dg, "PipesCompositeMessageReader"), reason="this Dagster has it")
def test_a_composite_reader_says_what_it_needs() -> None:
    with pytest.raises(dg.DagsterInvariantViolationError, match=r"needs Dagster 1\.13\.2"):
        ours.PipesCompositeMessageReader([ours.PipesTempFileMessageReader()])
