from collections.abc import Iterator
from typing import Any

import dagster as dg
import pytest

import stores


@pytest.fixture
def instance(monkeypatch: pytest.MonkeyPatch) -> Iterator[dg.DagsterInstance]:
    monkeypatch.delenv("IRONPIPE_ON_INCOMPLETE", raising=False)
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


@pytest.fixture(scope="session")
def s3_environment() -> Iterator[stores.Environment]:
    pytest.importorskip("moto")
    with stores.moto() as environment:
        yield environment


@pytest.fixture
def s3(s3_environment: stores.Environment, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A client of an S3 that has a bucket. The environment leads to it, too."""
    boto3 = pytest.importorskip("boto3")
    for variable, value in s3_environment.items():
        monkeypatch.setenv(variable, value)
    return boto3.client("s3")
