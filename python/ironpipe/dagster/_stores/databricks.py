"""DBFS and volumes of Unity Catalog, by a client of Databricks.

The names are those of ``dagster_databricks.pipes``.
"""

import base64
import io
import os
from abc import abstractmethod
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol

import dagster
from dagster import PipesLogReader
from dagster_pipes import PipesParams

from .._policy import OnIncomplete
from .._readers.base import MAX_LINE
from .objects import (
    CONTEXT_FILENAME,
    ObjectContextInjector,
    Objects,
    Store,
    chunk_store,
    official,
    token,
)
from .reader import STDIO_KEY, ChunkMessageReader

if TYPE_CHECKING:
    OfficialDbfsReader = OfficialVolumesReader = dagster.PipesBlobStoreMessageReader
    OfficialDbfsInjector = OfficialVolumesInjector = dagster.PipesContextInjector
else:
    OfficialDbfsReader, OfficialDbfsInjector, OfficialVolumesReader, OfficialVolumesInjector = (
        official(
            "dagster-databricks",
            "dagster_databricks.pipes",
            "PipesDbfsMessageReader",
            "PipesDbfsContextInjector",
            "PipesUnityCatalogVolumesMessageReader",
            "PipesUnityCatalogVolumesContextInjector",
        )
    )

# What one request to DBFS may hold, in bytes.
_BLOCK = 1 << 20


class Directories(Objects, Protocol):
    """A store with directories, which have to be made and removed."""

    def make(self, path: str) -> None:
        """Makes a directory."""
        ...

    def remove_empty(self, path: str) -> None:
        """Removes a directory, if it is empty."""
        ...


class DbfsObjects:
    """The files of DBFS.

    Args:
        api: A ``databricks.sdk.service.files.DbfsAPI``.
    """

    location = "dbfs:"

    def __init__(self, api: Any) -> None:
        self._api = api

    def put(self, key: str, data: bytes) -> None:
        """Writes a file."""
        handle = self._api.create(key, overwrite=True).handle
        for at in range(0, len(data), _BLOCK):
            self._api.add_block(handle, base64.b64encode(data[at : at + _BLOCK]).decode())
        self._api.close(handle)

    def get(self, key: str) -> bytes | None:
        """The file, or None where there is none."""
        pieces: list[bytes] = []
        try:
            # One answer holds no more than a block; the official reader takes no second one.
            while True:
                at = sum(map(len, pieces))
                found = self._api.read(key, offset=at, length=_BLOCK)
                piece = base64.b64decode(found.data or "")
                pieces.append(piece)
                if len(piece) < _BLOCK:
                    return b"".join(pieces)
        except Exception as error:
            if _is_missing(error):
                return None
            raise

    def remove(self, key: str) -> None:
        """Removes a file, if there is one."""
        self._unless_missing(key)

    def make(self, path: str) -> None:
        """Makes a directory."""
        self._api.mkdirs(path)

    def remove_empty(self, path: str) -> None:
        """Removes a directory; it raises if there is anything in it."""
        self._unless_missing(path)

    def _unless_missing(self, path: str) -> None:
        try:
            self._api.delete(path)
        except Exception as error:
            if not _is_missing(error):
                raise


class VolumeObjects:
    """The files of volumes.

    Args:
        api: A ``databricks.sdk.service.files.FilesAPI``.
    """

    location = "a volume"

    def __init__(self, api: Any) -> None:
        self._api = api

    def put(self, key: str, data: bytes) -> None:
        """Writes a file."""
        self._api.upload(key, contents=io.BytesIO(data), overwrite=True)

    def get(self, key: str) -> bytes | None:
        """The file, or None where there is none."""
        try:
            return self._api.download(key).contents.read()
        except Exception as error:
            if _is_missing(error):
                return None
            raise

    def remove(self, key: str) -> None:
        """Removes a file, if there is one."""
        try:
            self._api.delete(key)
        except Exception as error:
            if not _is_missing(error):
                raise

    def make(self, path: str) -> None:
        """Makes a directory."""
        self._api.create_directory(path)

    def remove_empty(self, path: str) -> None:
        """Removes a directory; it raises if there is anything in it."""
        self._api.delete_directory(path)


def _is_missing(error: Exception) -> bool:
    # By name: a mounted file system raises another one than the API.
    return isinstance(error, FileNotFoundError) or any(
        base.__name__ == "NotFound" for base in type(error).__mro__
    )


class DirectoryMessageReader(ChunkMessageReader, delivers=True):
    """The base of readers of a directory, which each session has one of."""

    include_stdio_in_messages: bool

    @abstractmethod
    def directories(self) -> Directories:
        """The store."""

    @abstractmethod
    def new_directory(self) -> str:
        """The path of a session's directory."""

    @contextmanager
    def get_params(self) -> Generator[PipesParams, None, None]:
        """Makes a directory for one session.

        Yields:
            The params that tell the external process where to write.
        """
        path = self.new_directory()
        self.directories().make(path)
        yield {"path": path, STDIO_KEY: self.include_stdio_in_messages}

    def place(self, params: PipesParams) -> tuple[Store, str]:
        """Where the chunks of a session lie.

        Args:
            params: The params of the session.
        """
        return self.directories(), params["path"]

    def remove(self, params: PipesParams, count: int) -> None:
        """Removes the chunks of a session, and its directory.

        Args:
            params: The params of the session.
            count: How many chunks there are.
        """
        super().remove(params, count)
        self.directories().remove_empty(params["path"])


class DirectoryContextInjector(ObjectContextInjector):
    """The base of injectors that put the context into a directory, a new one a session."""

    @abstractmethod
    def directories(self) -> Directories:
        """The store."""

    @abstractmethod
    def new_directory(self) -> str:
        """The path of a session's directory."""

    def place(self) -> tuple[Store, str, PipesParams]:
        """Where the context of one session goes: the store, the key, and the params for it."""
        directory, store = self.new_directory(), self.directories()
        store.make(directory)
        path = os.path.join(directory, CONTEXT_FILENAME)  # noqa: PTH118
        return store, path, {"path": path}

    def remove(self, store: Store, key: str) -> None:
        """Removes the context of one session, and its directory.

        Args:
            store: Where it lies.
            key: Its key.
        """
        chunk_store(store).remove(key)
        self.directories().remove_empty(os.path.dirname(key))  # noqa: PTH120


class PipesDbfsMessageReader(DirectoryMessageReader, OfficialDbfsReader, delivers=True):
    """Reads messages in chunks from a directory on DBFS.

    Drop-in for ``dagster_databricks.pipes.PipesDbfsMessageReader``.

    One reader may serve any number of sessions, also at the same time. Each has a directory of its
    own below ``/tmp``.

    Args:
        interval: The longest time between two looks for a chunk, in seconds; never more than
            :py:attr:`quiet`.
        client: A ``databricks.sdk.WorkspaceClient``.
        include_stdio_in_messages: Whether the external process is to send its stdout and stderr
            as messages.
        log_readers: Read what the process writes to its stdout and stderr.
        cleanup: Whether the directory of a session is removed when it closes, as the official
            reader does. Never that of a session that has lost something.
        on_incomplete: What to do where messages were lost, in sessions that do not say so
            themselves. By default the environment variable ``IRONPIPE_ON_INCOMPLETE`` decides,
            else ``"fail"``.
        max_line: The longest line that is read, in bytes. A longer one is set aside and fails the
            step.
    """

    dbfs_client: Any

    def __init__(
        self,
        *,
        interval: float = 10,
        client: Any,
        include_stdio_in_messages: bool = False,
        log_readers: Sequence[PipesLogReader] | None = None,
        cleanup: bool = True,
        on_incomplete: OnIncomplete | None = None,
        max_line: int = MAX_LINE,
    ):
        self._set_up(
            OfficialDbfsReader,
            cleanup=cleanup,
            on_incomplete=on_incomplete,
            max_line=max_line,
            interval=interval,
            client=client,
            include_stdio_in_messages=include_stdio_in_messages,
            log_readers=log_readers,
        )

    def directories(self) -> Directories:
        """DBFS."""
        return DbfsObjects(self.dbfs_client)

    def new_directory(self) -> str:
        """The path of a session's directory."""
        return f"/tmp/{token()}"  # noqa: S108


class PipesDbfsContextInjector(  # pyright: ignore[reportIncompatibleMethodOverride]
    DirectoryContextInjector, OfficialDbfsInjector
):
    """Takes the context to the external process through DBFS.

    Drop-in for ``dagster_databricks.pipes.PipesDbfsContextInjector``.

    Args:
        client: A ``databricks.sdk.WorkspaceClient``.
    """

    dbfs_client: Any

    def __init__(self, *, client: Any):
        arguments: Any = {"client": client}
        OfficialDbfsInjector.__init__(self, **arguments)

    def directories(self) -> Directories:
        """DBFS."""
        return DbfsObjects(self.dbfs_client)

    def new_directory(self) -> str:
        """The path of a session's directory."""
        return f"/tmp/{token()}"  # noqa: S108


class PipesUnityCatalogVolumesMessageReader(
    DirectoryMessageReader, OfficialVolumesReader, delivers=True
):
    """Reads messages in chunks from a directory in a volume of Unity Catalog.

    Drop-in for ``dagster_databricks.pipes.PipesUnityCatalogVolumesMessageReader``.

    One reader may serve any number of sessions, also at the same time. Each has a directory of its
    own.

    Args:
        interval: The longest time between two looks for a chunk, in seconds; never more than
            :py:attr:`quiet`.
        client: A ``databricks.sdk.WorkspaceClient``.
        volume_path: The directory in the volume, ``/Volumes/…``.
        include_stdio_in_messages: Whether the external process is to send its stdout and stderr
            as messages.
        cleanup: Whether the directory of a session is removed when it closes, as the official
            reader does. Never that of a session that has lost something.
        on_incomplete: What to do where messages were lost, in sessions that do not say so
            themselves. By default the environment variable ``IRONPIPE_ON_INCOMPLETE`` decides,
            else ``"fail"``.
        max_line: The longest line that is read, in bytes. A longer one is set aside and fails the
            step.
    """

    files_client: Any
    volume_path: str

    def __init__(
        self,
        *,
        interval: float = 10,
        client: Any,
        volume_path: str,
        include_stdio_in_messages: bool = True,
        cleanup: bool = True,
        on_incomplete: OnIncomplete | None = None,
        max_line: int = MAX_LINE,
    ):
        self._set_up(
            OfficialVolumesReader,
            cleanup=cleanup,
            on_incomplete=on_incomplete,
            max_line=max_line,
            interval=interval,
            client=client,
            volume_path=volume_path,
            include_stdio_in_messages=include_stdio_in_messages,
        )

    def directories(self) -> Directories:
        """The volumes."""
        return VolumeObjects(self.files_client)

    def new_directory(self) -> str:
        """The path of a session's directory."""
        return f"{self.volume_path}/tmp/{token()}"  # noqa: S108


class PipesUnityCatalogVolumesContextInjector(  # pyright: ignore[reportIncompatibleMethodOverride]
    DirectoryContextInjector, OfficialVolumesInjector
):
    """Takes the context to the external process through a volume of Unity Catalog.

    Drop-in for ``dagster_databricks.pipes.PipesUnityCatalogVolumesContextInjector``.

    Args:
        client: A ``databricks.sdk.WorkspaceClient``.
        volume_path: The directory in the volume, ``/Volumes/…``.
    """

    files_client: Any
    volume_path: str

    def __init__(self, *, client: Any, volume_path: str):
        arguments: Any = {"client": client, "volume_path": volume_path}
        OfficialVolumesInjector.__init__(self, **arguments)

    def directories(self) -> Directories:
        """The volumes."""
        return VolumeObjects(self.files_client)

    def new_directory(self) -> str:
        """The path of a session's directory."""
        return f"{self.volume_path}/tmp/{token()}"  # noqa: S108
