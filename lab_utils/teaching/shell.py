"""Run a `lab` command from a notebook, with the notebook's own Python."""

import os
import subprocess
import sys


def lab(*arguments: str) -> None:
    """Run `lab …` and show what it prints, as `lab("up")` or `lab("produce", "crypto")`."""
    with subprocess.Popen(
        [sys.executable, "-m", "lab_utils.cli", *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
        env={**os.environ, "COLUMNS": "110", "PYTHONIOENCODING": "utf-8"},
    ) as process:
        for line in process.stdout or ():
            print(line, end="", flush=True)
    if process.returncode:
        print(f"lab {' '.join(arguments)} did not succeed (exit code {process.returncode}).")
