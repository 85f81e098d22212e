"""The external process on this machine. Knows nothing of messages."""

from .bootstrap import bootstrap_environment
from .external import ExternalProcess
from .interrupts import HeldInterrupts

__all__ = ["ExternalProcess", "HeldInterrupts", "bootstrap_environment"]
