"""A store by its URL, or a directory: both sides need no package of the store's provider."""

import contextlib
import os
import threading
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from dagster import PipesLogReader
from dagster_pipes import PipesParams

from ironpipe import _ironpipe

from .._policy import OnIncomplete, check_on_incomplete
from .._readers.base import MAX_LINE
from .objects import CONTEXT_FILENAME, ObjectContextInjector, Store, token
from .reader import STDIO_KEY, ChunkMessageReader


class _Location:
    """A bucket by URL, or a directory."""

    def __init__(
        self,
        store: str | os.PathLike[str],
        options: Mapping[str, str] | None,
        external_options: Mapping[str, str] | None,
    ) -> None:
        store = os.fspath(store)
        if not store:
            # As a variable that is not set may give it. It is no name of the root directory.
            raise ValueError(
                "The store is an empty string; it takes a URL (s3://, gs://, az://) or a directory."
            )
        self._is_url = "://" in store
        if not self._is_url and (options or external_options):
            raise ValueError("A directory has no options; a URL would be s3://, gs:// or az://.")
        url = urlsplit(store)
        if self._is_url and (url.password or url.query or url.fragment):
            # Not shown here either.
            raise ValueError(
                "The URL of a store has no password and no query: they would travel to the external"
                " process, and into logs. Settings for this side go into `options`."
            )
        self._root = store.rstrip("/") or "/"
        self._options = dict(options or {})
        self._external_options = dict(external_options or {})
        self._opening = threading.Lock()
        self._store: _ironpipe.ChunkStore | None = None

    def __str__(self) -> str:
        return self._root

    @property
    def store(self) -> _ironpipe.ChunkStore:
        """Opened when it is first asked for: definitions are loaded where no credentials are."""
        with self._opening:
            if self._store is None:
                self._store = (
                    _ironpipe.ChunkStore.open(self._root, self._options)
                    if self._is_url
                    else _ironpipe.ChunkStore.directory(self._root)
                )
            return self._store

    def params(self, key: str) -> dict[str, Any]:
        """The params that lead the external process to a key or a prefix."""
        if not self._is_url:
            return {"path": str(Path(self._root, key).absolute())}
        url = {"url": f"{self._root}/{key}"}
        return {**url, "options": self._external_options} if self._external_options else url

    def key(self, params: PipesParams) -> str:
        """The key or the prefix that params lead to."""
        return str(params.get("url") or params.get("path")).rpartition("/")[2]

    def make_directory(self, key: str) -> None:
        """Makes a session's directory, for which the external process looks."""
        if not self._is_url:
            Path(self._root, key).mkdir(parents=True)

    def remove_directory(self, key: str) -> None:
        """Removes it, if it is empty."""
        if not self._is_url:
            with contextlib.suppress(OSError):
                Path(self._root, key).rmdir()


class StoreMessageReader(ChunkMessageReader, delivers=True):
    """Reads messages in chunks from a bucket or a directory that both sides reach.

    The external process needs no package of the store's provider and no writer of its own:
    ironpipe's default message writer takes these params.

    One reader may serve any number of sessions, also at the same time. Each has a prefix of its
    own.

    Args:
        store: ``"s3://bucket/prefix"``, ``"gs://bucket/prefix"``, ``"az://container/prefix"``, or
            the path of a directory.
        options: Settings for this side, such as ``endpoint``, ``region`` and credentials, by the
            names that :py:meth:`ironpipe.ChunkStore.open` takes. They stay here. What is not among
            them comes from the environment variables of the provider's own tools, then from the
            machine.
        external_options: Settings for the external process. They travel to it in its bootstrap
            values, which may be seen where the job is defined: no place for credentials, if its
            own environment can have them. By default nothing travels, and the external process
            finds its settings as described above.
        include_stdio_in_messages: Whether the external process is to send its stdout and stderr
            as messages.
        log_readers: Read what the process writes to its stdout and stderr.
        cleanup: Whether the chunks of a session are removed when it closes. Never those of a
            session that has lost something.
        on_incomplete: What to do where messages were lost, in sessions that do not say so
            themselves. By default the environment variable ``IRONPIPE_ON_INCOMPLETE`` decides,
            else ``"fail"``.
        max_line: The longest line that is read, in bytes. A longer one is set aside and fails the
            step.

    Raises:
        ValueError: There is no store, a directory was given options, or the URL holds more than
            a place.
    """

    def __init__(
        self,
        store: str | os.PathLike[str],
        *,
        options: Mapping[str, str] | None = None,
        external_options: Mapping[str, str] | None = None,
        include_stdio_in_messages: bool = False,
        log_readers: Sequence[PipesLogReader] | None = None,
        cleanup: bool = False,
        on_incomplete: OnIncomplete | None = None,
        max_line: int = MAX_LINE,
    ):
        super().__init__(log_readers=log_readers, on_incomplete=check_on_incomplete(on_incomplete))
        self._location = _Location(store, options, external_options)
        self.include_stdio_in_messages = include_stdio_in_messages
        self.cleanup = cleanup
        self.max_line = max_line

    @contextmanager
    def get_params(self) -> Generator[PipesParams, None, None]:
        """Makes a prefix for one session.

        Yields:
            The params that tell the external process where to write.

        Raises:
            OSError: The directory can't be made.
        """
        prefix = token()
        self._location.make_directory(prefix)
        yield {
            **self._location.params(prefix),
            STDIO_KEY: self.include_stdio_in_messages,
        }

    def place(self, params: PipesParams) -> tuple[Store, str]:
        """Where the chunks of a session lie.

        Args:
            params: The params of the session.

        Raises:
            DagsterPipesError: The URL is of no store, an option is unknown, or something is
                missing that the store needs.
        """
        return self._location.store, self._location.key(params)

    def remove(self, params: PipesParams, count: int) -> None:
        """Removes the chunks of a session.

        Args:
            params: The params of the session.
            count: How many there are.
        """
        super().remove(params, count)
        self._location.remove_directory(self._location.key(params))

    def no_messages_debug_text(self) -> str:
        """What to look at where no messages came."""
        return (
            f"Attempted to read messages from {self._location}. Expected the external process to"
            " open its session with ironpipe and the default message writer, and to have access"
            " to that place."
        )


class StoreContextInjector(ObjectContextInjector):
    """Takes the context to the external process through a bucket or a directory.

    ironpipe's default context loader finds it there, without a package of the store's provider.

    Args:
        store: As for :py:class:`StoreMessageReader`.
        options: Settings for this side. They stay here.
        external_options: Settings for the external process, which travel to it.

    Raises:
        ValueError: There is no store, a directory was given options, or the URL holds more than
            a place.
    """

    def __init__(
        self,
        store: str | os.PathLike[str],
        *,
        options: Mapping[str, str] | None = None,
        external_options: Mapping[str, str] | None = None,
    ):
        super().__init__()
        self._location = _Location(store, options, external_options)

    def place(self) -> tuple[Store, str, PipesParams]:
        """Where the context of one session goes: the store, the key, and the params for it.

        Raises:
            DagsterPipesError: The URL is of no store, an option is unknown, or something is
                missing that the store needs.
        """
        key = f"{token()}/{CONTEXT_FILENAME}"
        return self._location.store, key, self._location.params(key)

    def remove(self, store: Store, key: str) -> None:
        """Removes the context of one session.

        Args:
            store: Where it lies.
            key: Its key.
        """
        super().remove(store, key)
        self._location.remove_directory(key.rpartition("/")[0])

    def no_messages_debug_text(self) -> str:
        """What to look at where no messages came."""
        return (
            f"Attempted to inject context through {self._location}. Expected the external process"
            " to open its session with ironpipe and the default context loader, and to have"
            " access to that place."
        )
