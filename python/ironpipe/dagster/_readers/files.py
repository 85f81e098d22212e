"""Message readers for files, on the engine's reader."""

import os
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import dagster
from dagster_pipes import PipesDefaultMessageWriter, PipesParams

from .._delivery import follow
from .._policy import OnIncomplete, check_on_incomplete
from .base import MAX_LINE, PipesMessageReader

_MESSAGES_FILENAME = "messages"


class PipesFileMessageReader(PipesMessageReader, dagster.PipesFileMessageReader, delivers=True):
    """Reads messages from a file as they are written.

    One reader may serve several sessions, one after the other.

    Args:
        path: The file. It is created, or emptied, when a session opens.
        include_stdio_in_messages: Whether the external process is to send its stdout and stderr
            as messages.
        cleanup_file: Whether to delete the file when the session closes.
        on_incomplete: What to do where messages were lost, in sessions that do not say so
            themselves. By default the environment variable ``IRONPIPE_ON_INCOMPLETE`` decides,
            else ``"fail"``.
        max_line: The longest line that is read, in bytes. A longer one is set aside and fails the
            step.
    """

    def __init__(
        self,
        path: str,
        include_stdio_in_messages: bool = False,
        cleanup_file: bool = True,
        *,
        on_incomplete: OnIncomplete | None = None,
        max_line: int = MAX_LINE,
    ):
        super().__init__(path, include_stdio_in_messages, cleanup_file)
        self._on_incomplete = check_on_incomplete(on_incomplete)
        self.max_line = max_line

    @contextmanager
    def read_messages(
        self, handler: dagster.PipesMessageHandler
    ) -> Generator[PipesParams, None, None]:
        """Follows the file in a thread until the session closes, then reads it to its end.

        Args:
            handler: Takes the messages.

        Yields:
            The params that tell the external process where to write.

        Raises:
            MessagesLostError: The session is not one of ours, which would say so itself, and
                messages were lost.
            OSError: The file can't be created.
        """
        # An existing file is emptied and a new one gets the usual mode, as with the official
        # reader: the external process may belong to another user.
        path = Path(self._path)
        path.write_bytes(b"")
        try:
            with follow(self, self._path, handler, self._on_incomplete, self.max_line):
                yield _params(self._path, self._include_stdio_in_messages)
        finally:
            if self._cleanup_file:
                path.unlink(missing_ok=True)


class PipesTempFileMessageReader(
    PipesMessageReader, dagster.PipesTempFileMessageReader, delivers=True
):
    """Reads messages from a file in a private temporary directory, one for each session.

    One reader may serve several sessions, also at the same time.

    Args:
        include_stdio_in_messages: Whether the external process is to send its stdout and stderr
            as messages.
        on_incomplete: What to do where messages were lost, in sessions that do not say so
            themselves. By default the environment variable ``IRONPIPE_ON_INCOMPLETE`` decides,
            else ``"fail"``.
        max_line: The longest line that is read, in bytes. A longer one is set aside and fails the
            step.
    """

    def __init__(
        self,
        include_stdio_in_messages: bool = False,
        *,
        on_incomplete: OnIncomplete | None = None,
        max_line: int = MAX_LINE,
    ):
        super().__init__(include_stdio_in_messages)
        self._on_incomplete = check_on_incomplete(on_incomplete)
        self.max_line = max_line

    @contextmanager
    def read_messages(
        self, handler: dagster.PipesMessageHandler
    ) -> Generator[PipesParams, None, None]:
        """Follows a new file in a thread until the session closes, then reads it to its end.

        Args:
            handler: Takes the messages.

        Yields:
            The params that tell the external process where to write.

        Raises:
            MessagesLostError: The session is not one of ours, which would say so itself, and
                messages were lost.
            OSError: The file can't be created.
        """
        with tempfile.TemporaryDirectory(prefix="ironpipe-") as directory:
            path = str(Path(directory, _MESSAGES_FILENAME))
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
            with follow(self, path, handler, self._on_incomplete, self.max_line):
                yield _params(path, self._include_stdio_in_messages)


def _params(path: str, include_stdio_in_messages: bool) -> PipesParams:
    return {
        PipesDefaultMessageWriter.FILE_PATH_KEY: path,
        PipesDefaultMessageWriter.INCLUDE_STDIO_IN_MESSAGES_KEY: include_stdio_in_messages,
    }
