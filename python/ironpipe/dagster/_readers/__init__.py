"""Message readers and log readers: the ways on which messages come."""

from .base import PipesMessageReader
from .composite import PipesCompositeMessageReader
from .files import PipesFileMessageReader, PipesTempFileMessageReader
from .logs import (
    PipesChunkedLogReader,
    PipesLogReader,
    extract_message_or_forward_to_file,
    extract_message_or_forward_to_stdout,
    forward_only_logs_to_file,
)
from .stdio import StdioMessageReader
from .threaded import PipesBlobStoreMessageReader, PipesThreadedMessageReader

__all__ = [
    "PipesBlobStoreMessageReader",
    "PipesChunkedLogReader",
    "PipesCompositeMessageReader",
    "PipesFileMessageReader",
    "PipesLogReader",
    "PipesMessageReader",
    "PipesTempFileMessageReader",
    "PipesThreadedMessageReader",
    "StdioMessageReader",
    "extract_message_or_forward_to_file",
    "extract_message_or_forward_to_stdout",
    "forward_only_logs_to_file",
]
