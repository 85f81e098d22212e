"""One external process of several in a session: ``one_of_many.py MODE NAME``.

Standard library only.
"""

import base64
import json
import os
import signal
import sys
import zlib
from pathlib import Path

if __name__ == "__main__":
    mode, name = sys.argv[1:]
    value = os.environ["DAGSTER_PIPES_MESSAGES"]
    path = Path(json.loads(zlib.decompress(base64.b64decode(value)))["path"])
    if mode == "never-opens":
        sys.exit()
    numbers = iter([1, 2, 4, 5, 6] if mode == "loses" else range(1, 10))

    def send(method: str, params: object) -> None:
        message = {
            "__dagster_pipes_version": "0.1",
            "method": method,
            "params": params,
            "__ironpipe": [name, next(numbers), 1_700_000_000_000_000],
        }
        with path.open("ab") as file:
            file.write(json.dumps(message).encode() + b"\n")

    send("opened", {"extras": {"name": name}})
    send("log", {"message": f"log {name}", "level": "INFO"})
    send("report_custom_message", {"payload": name})
    if mode == "dies":
        os.kill(os.getpid(), signal.SIGKILL)
    send("closed", {})
