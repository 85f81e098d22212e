"""The message writer that goes by the params. Its name is that of ``dagster_pipes``."""

from __future__ import annotations

import sys
from contextlib import contextmanager

from ironpipe import _ironpipe
from ironpipe._channels import (
    PipesBufferedStreamMessageWriterChannel,
    PipesFileMessageWriterChannel,
    PipesMessageWriter,
    PipesMessageWriterChannel,
    PipesStreamMessageWriterChannel,
)
from ironpipe._checks import env_param, names, open_url
from ironpipe._errors import DagsterPipesError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Generator
    from typing import Any, TextIO

    from ironpipe._types import PipesParams

__all__ = ["PipesDefaultMessageWriter"]


class PipesDefaultMessageWriter(PipesMessageWriter[PipesMessageWriterChannel]):
    """Writes to where the params say.

    That is a file (``path``), chunks in a directory (``path``, where a directory is there), chunks
    in an object store (``url``, with settings in ``options``), stdout or stderr (``stdio``, or
    ``buffered_stdio`` to write at the end only).

    With the param ``include_stdio_in_messages`` beside ``path`` or ``url``, what this process and
    its children write to stdout and stderr is sent too, as well as to where it went before.
    """

    FILE_PATH_KEY = "path"
    URL_KEY = "url"
    STDIO_KEY = "stdio"
    BUFFERED_STDIO_KEY = "buffered_stdio"
    STDERR = "stderr"
    STDOUT = "stdout"
    INCLUDE_STDIO_IN_MESSAGES_KEY: str = "include_stdio_in_messages"

    @contextmanager
    def open(self, params: PipesParams) -> Generator[PipesMessageWriterChannel]:
        """Open the channel that the params name.

        Args:
            params: ``{"path": str}``, ``{"url": str, "options": dict | None}``,
                ``{"stdio": "stdout" | "stderr"}`` or ``{"buffered_stdio": "stdout" | "stderr"}``.

        Raises:
            DagsterPipesError: None of these, another stream, or a URL of no store.
            OSError: The file can't be opened; or, at the end, something was not delivered.
        """
        if self.FILE_PATH_KEY in params or self.URL_KEY in params:
            with self._open_native(params) as channel:
                if params.get(self.INCLUDE_STDIO_IN_MESSAGES_KEY):
                    from ironpipe._stdio import captured

                    with captured(channel.native):
                        yield channel
                else:
                    yield channel
        elif self.STDIO_KEY in params:
            yield PipesStreamMessageWriterChannel(self._stream(params, self.STDIO_KEY))
        elif self.BUFFERED_STDIO_KEY in params:
            buffered = PipesBufferedStreamMessageWriterChannel(
                self._stream(params, self.BUFFERED_STDIO_KEY)
            )
            try:
                yield buffered
            finally:
                buffered.flush()
        else:
            raise DagsterPipesError(
                f'Invalid params for {type(self).__name__}, expected key "path" or "std",'
                f" received {names(params)}. The orchestration side's message reader may expect a"
                " different message writer: pass it as `message_writer` to `open_dagster_pipes`."
            )

    @contextmanager
    def _open_native(self, params: PipesParams) -> Generator[Any]:
        import os.path

        if self.FILE_PATH_KEY not in params:
            store = open_url(env_param(params, self.URL_KEY, str, self), params, self)
        else:
            path = env_param(params, self.FILE_PATH_KEY, str, self)
            if not os.path.isdir(path):  # noqa: PTH112
                file = PipesFileMessageWriterChannel(path)
                try:
                    yield file
                finally:
                    file.close()
                return
            store = _ironpipe.ChunkStore.directory(path)
        from ironpipe._chunk_writers import ChunkMessageWriterChannel

        chunks = ChunkMessageWriterChannel(store)
        with chunks.buffered_upload_loop():
            yield chunks

    def _stream(self, params: PipesParams, key: str) -> TextIO:
        name = env_param(params, key, str, self)
        if name not in (self.STDERR, self.STDOUT):
            raise DagsterPipesError(
                f'Invalid value for key "std", expected "{self.STDERR}" or "{self.STDOUT}" but'
                f" received {name}"
            )
        return sys.stderr if name == self.STDERR else sys.stdout
