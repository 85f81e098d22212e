"""Where the binaries lie that tests and benches drive."""

from __future__ import annotations

import os
from pathlib import Path

_ROOT = Path(__file__).parent.parent
_RELEASE = Path(os.environ.get("CARGO_TARGET_DIR", _ROOT / "target")) / "release"


def binary(name: str) -> Path:
    """The path of a binary of the workspace, as ``make build`` leaves it."""
    path = _RELEASE / name
    if not path.exists():
        raise FileNotFoundError(f"{path} is not there: `make build` builds it")
    return path


IRONPIPE = binary("ironpipe")
FERRIS_SAYS = binary("ferris_says")
