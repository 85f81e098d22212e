"""Context injectors: the ways to take the context to the external process."""

import contextlib
import os
import tempfile
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import dagster
from dagster_pipes import PipesContextData, PipesDefaultContextLoader, PipesParams

from ironpipe._ironpipe import dumps


class PipesFileContextInjector(dagster.PipesFileContextInjector):
    """Writes the context to a file. Drop-in for ``dagster.PipesFileContextInjector``.

    The file appears whole or not at all, and what stood at the path before is replaced, never
    written through a link. Two sessions at the same time need two paths.

    Args:
        path: The file. It is deleted when the session closes.
    """

    def __init__(self, path: str):
        super().__init__(path)

    @contextmanager
    def inject_context(self, context_data: PipesContextData) -> Generator[PipesParams, None, None]:
        """Writes the file, and deletes it when the session closes.

        Args:
            context_data: The context.

        Yields:
            The params that lead to it.

        Raises:
            NotJsonError: JSON has no text for a value of the context; the error names its place.
            OSError: The file can't be written.
        """
        path = Path(self._path)
        written = _replace(path, dumps(context_data, ""))
        try:
            yield {PipesDefaultContextLoader.FILE_PATH_KEY: self._path}
        finally:
            # Another session may have put its own there.
            with contextlib.suppress(FileNotFoundError):
                if _identity(path) == written:
                    path.unlink()


class PipesTempFileContextInjector(dagster.PipesTempFileContextInjector):
    """Writes the context to a file in a private temporary directory, one for each session.

    Drop-in for ``dagster.PipesTempFileContextInjector``.
    """

    @contextmanager
    def inject_context(self, context: PipesContextData) -> Generator[PipesParams, None, None]:
        """Writes a new file, and deletes it when the session closes.

        Args:
            context: The context.

        Yields:
            The params that lead to it.

        Raises:
            NotJsonError: JSON has no text for a value of the context; the error names its place.
            OSError: The file can't be written.
        """
        with tempfile.TemporaryDirectory(prefix="ironpipe-") as directory:
            path = Path(directory, "context")
            _write_new(path, dumps(context, ""), 0o600)
            yield {PipesDefaultContextLoader.FILE_PATH_KEY: str(path)}


class PipesEnvContextInjector(dagster.PipesEnvContextInjector):
    """Puts the context into the bootstrap value itself.

    Drop-in for ``dagster.PipesEnvContextInjector``. Our client puts a context that is too long for
    a variable into a private file.
    """

    @contextmanager
    def inject_context(self, context_data: PipesContextData) -> Generator[PipesParams, None, None]:
        """Checks the context.

        Args:
            context_data: The context.

        Yields:
            The params that hold it.

        Raises:
            NotJsonError: JSON has no text for a value of the context; the error names its place.
        """
        dumps(context_data, "")
        params: Mapping[str, Any] = {PipesDefaultContextLoader.DIRECT_KEY: context_data}
        yield params


def _replace(path: Path, data: bytes) -> tuple[int, int]:
    """Puts a file in its place, and gives back what tells it from another one."""
    new = path.with_name(f".{path.name}.{os.getpid()}-{os.urandom(4).hex()}")
    try:
        # The usual mode, as with the official injector: the process may belong to another user.
        _write_new(new, data, 0o666)
        new.replace(path)
    except OSError:
        # The directory may take no new file, or the path be a mount: then the file it has must do.
        with contextlib.suppress(OSError):
            new.unlink()
        with _naming(path):
            path.write_bytes(data)
    return _identity(path)


def _write_new(path: Path, data: bytes, mode: int) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with _naming(path), os.fdopen(descriptor, "wb") as file:
        file.write(data)


@contextmanager
def _naming(path: Path) -> Generator[None, None, None]:
    """Names the file in an error that does not, as that of a full disk."""
    try:
        yield
    except OSError as error:
        if error.filename is not None:
            raise
        raise OSError(error.errno, error.strerror, str(path)) from None


def _identity(path: Path) -> tuple[int, int]:
    status = path.lstat()
    return status.st_dev, status.st_ino
