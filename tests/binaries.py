"""Where the binaries lie that tests and benches drive."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

_ROOT = Path(__file__).parent.parent
_RELEASE = Path(os.environ.get("CARGO_TARGET_DIR", _ROOT / "target")) / "release"


def binary(name: str) -> Path:
    """The path of a binary of the workspace, as ``make build`` leaves it."""
    path = _RELEASE / name
    if not path.exists():
        raise FileNotFoundError(f"{path} is not there: `make build` builds it")
    return path


def example(name: str) -> Path:
    """The path of an example of the engine, which is built if it is not there yet."""
    command = ["cargo", "build", "--release", "--quiet", "--package=ironpipe"]
    subprocess.run([*command, f"--example={name}"], cwd=_ROOT, check=True)
    return binary(f"examples/{name}")


IRONPIPE = binary("ironpipe")
FERRIS_SAYS = binary("ferris_says")
