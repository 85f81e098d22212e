"""What importing costs, and what it says where Dagster is absent."""

import subprocess
import sys

import pytest


def python(code: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)


def test_dagster_is_imported_by_one_package_alone() -> None:
    done = python("import sys, ironpipe; sys.exit('dagster' in sys.modules)")
    assert done.returncode == 0, done.stderr


def test_without_dagster_the_error_says_what_to_install() -> None:
    done = python("import sys; sys.modules['dagster'] = None; import ironpipe.dagster")
    assert done.returncode == 1
    assert "pip install 'ironpipe[dagster]'" in done.stderr


def test_no_package_of_a_store_is_imported_before_it_is_needed() -> None:
    packages = "boto3", "dagster_aws", "google.cloud.storage", "azure.storage", "databricks"
    done = python(
        f"""
import sys
from ironpipe.dagster import *
StoreMessageReader("s3://bucket"), StoreContextInjector("s3://bucket")
sys.exit(", ".join(name for name in {packages!r} if name in sys.modules) or None)
"""
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("package", "name"),
    [
        ("dagster_aws", "PipesS3MessageReader"),
        ("dagster_azure", "PipesAzureBlobStorageMessageReader"),
        ("dagster_databricks", "PipesDbfsMessageReader"),
        ("dagster_gcp", "PipesGCSMessageReader"),
    ],
)
def test_without_the_package_of_a_store_the_error_says_what_to_install(
    package: str, name: str
) -> None:
    done = python(
        f"import sys; sys.modules[{package!r}] = None; from ironpipe.dagster import {name}"
    )
    assert done.returncode == 1
    assert f"needs {package.replace('_', '-')}" in done.stderr
    assert f"pip install {package.replace('_', '-')}" in done.stderr
    assert "StoreMessageReader" in done.stderr


def test_everything_public_is_there() -> None:
    done = python("from ironpipe.dagster import *; PipesSubprocessClient; open_pipes_session")
    assert done.returncode == 0, done.stderr
