"""The two bootstrap values, made to fit into an environment."""

import json
import os
import tempfile
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path

import dagster
from dagster._core.errors import DagsterPipesExecutionError
from dagster_pipes import (
    DAGSTER_PIPES_CONTEXT_ENV_VAR,
    PipesDefaultContextLoader,
    encode_param,
)

# Linux's MAX_ARG_STRLEN, less the terminating zero: `NAME=value` may be no longer.
_LONGEST_STRING = 131_071


@contextmanager
def bootstrap_environment(
    session: dagster.PipesSession,
) -> Generator[Mapping[str, str], None, None]:
    """The variables that make a local process an external process of this session.

    The kernel refuses to start a process with one variable above 131,071 bytes. A context that
    does not fit (an env injector's, with large extras) goes through a private file instead, which
    every loader of the context understands.

    Args:
        session: The open session.

    Yields:
        The variables. The file, where there is one, lives as long as the block.

    Raises:
        DagsterPipesExecutionError: A value does not fit and can't be put into a file.
    """
    variables = dict(session.get_bootstrap_env_vars())
    with tempfile.TemporaryDirectory(prefix="ironpipe-") as directory:
        for name, value in variables.items():
            length = len(name) + 1 + len(value.encode())
            if length <= _LONGEST_STRING:
                continue
            params = session.get_bootstrap_params()[name]
            if name != DAGSTER_PIPES_CONTEXT_ENV_VAR or set(params) != {
                PipesDefaultContextLoader.DIRECT_KEY
            }:
                raise DagsterPipesExecutionError(
                    f"The environment variable {name} would be {length:,} bytes long, and the"
                    f" operating system takes no more than {_LONGEST_STRING:,}. Its params"
                    f" ({', '.join(sorted(params))}) can't be put into a file: make them smaller,"
                    " or use PipesTempFileContextInjector."
                )
            path = Path(directory, "context")
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                json.dump(params[PipesDefaultContextLoader.DIRECT_KEY], file)
            variables[name] = encode_param({PipesDefaultContextLoader.FILE_PATH_KEY: str(path)})
        yield variables
