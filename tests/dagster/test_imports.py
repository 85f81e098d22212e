"""What importing costs, and what it says where Dagster is absent."""

import subprocess
import sys


def python(code: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)


def test_dagster_is_imported_by_one_package_alone() -> None:
    done = python("import sys, ironpipe; sys.exit('dagster' in sys.modules)")
    assert done.returncode == 0, done.stderr


def test_without_dagster_the_error_says_what_to_install() -> None:
    done = python("import sys; sys.modules['dagster'] = None; import ironpipe.dagster")
    assert done.returncode == 1
    assert "pip install 'ironpipe[dagster]'" in done.stderr


def test_everything_public_is_there() -> None:
    done = python("from ironpipe.dagster import *; PipesSubprocessClient; open_pipes_session")
    assert done.returncode == 0, done.stderr
