"""The PEP 517 build backend: maturin, and the native ``ironpipe`` command in the wheel.

maturin builds the extension module. A wheel carries scripts when they lie in the ``scripts``
directory of ``tool.maturin.data``, so before each wheel the command is built and put there.
``make build`` calls :func:`stage_command` through ``python tools/build_backend.py``.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import maturin

ROOT = Path(__file__).resolve().parent.parent
DATA = ROOT / "target" / "wheel-data"

build_sdist = maturin.build_sdist
get_requires_for_build_wheel = maturin.get_requires_for_build_wheel
get_requires_for_build_sdist = maturin.get_requires_for_build_sdist
get_requires_for_build_editable = maturin.get_requires_for_build_editable


def stage_command() -> Path:
    """Builds the ``ironpipe`` command and puts it where maturin looks for scripts.

    Returns:
        The copy that goes into the wheel.

    Raises:
        SystemExit: cargo failed (it has said why), or built no such command.
    """
    built = _cargo_build()
    scripts = DATA / "scripts"
    scripts.mkdir(parents=True, exist_ok=True)
    staged = scripts / built.name
    # A new file each time: the old one may be running, and can't be written to then.
    fresh = staged.with_name(f"{staged.name}.new")
    shutil.copy2(built, fresh)
    fresh.replace(staged)
    return staged


def _cargo_build() -> Path:
    # cargo names the file it made: right for any CARGO_TARGET_DIR, target and platform.
    command = [
        os.environ.get("CARGO", "cargo"),
        "build",
        "--release",
        "--package=ironpipe-cli",
        "--bin=ironpipe",
        "--message-format=json-render-diagnostics",
    ]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, check=False)
    if done.returncode != 0:
        sys.exit(f"`{' '.join(command)}` failed with exit code {done.returncode}")
    for line in done.stdout.splitlines():
        message: dict[str, Any] = json.loads(line)
        if message.get("target", {}).get("name") == "ironpipe" and message.get("executable"):
            return Path(message["executable"])
    sys.exit("cargo did not say where it put the `ironpipe` command")


def build_wheel(
    wheel_directory: str,
    config_settings: dict[str, Any] | None = None,
    metadata_directory: str | None = None,
) -> str:
    """Builds the wheel (PEP 517)."""
    stage_command()
    return maturin.build_wheel(wheel_directory, config_settings, metadata_directory)


def build_editable(
    wheel_directory: str,
    config_settings: dict[str, Any] | None = None,
    metadata_directory: str | None = None,
) -> str:
    """Builds the wheel that points back to this tree (PEP 660)."""
    stage_command()
    return maturin.build_editable(wheel_directory, config_settings, metadata_directory)


# The metadata names nothing that the command changes, but maturin wants its data directory there.


def prepare_metadata_for_build_wheel(
    metadata_directory: str, config_settings: dict[str, Any] | None = None
) -> str:
    """Writes the metadata of the wheel (PEP 517)."""
    DATA.mkdir(parents=True, exist_ok=True)
    return maturin.prepare_metadata_for_build_wheel(metadata_directory, config_settings)


prepare_metadata_for_build_editable = prepare_metadata_for_build_wheel


if __name__ == "__main__":
    stage_command()
