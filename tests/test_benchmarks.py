"""The benchmarks still run and check their results; what they measure is nobody's test."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.browser import chromium
from tests.conftest import unmeasured

BENCHMARKS = Path(__file__).parent / "benchmarks"


@pytest.mark.parametrize(
    ("name", "arguments", "said"),
    [
        ("engine.py", ["--rounds", "1", "--only", "seq10"], "fgnb engine"),
        ("client.py", ["--quick"], "fgnb AsyncClient / official SDK"),
        ("memory.py", ["--rounds", "1", "--runs", "200", "--at-once", "50"], "at once"),
        ("explore.py", ["--rounds", "1", "--runs", "500"], "fgnb explorer"),
        ("frames.py", ["--rounds", "1", "--records", "300"], "runs frame"),
        ("sweep.py", ["--rounds", "1", "--calls", "100"], "sweep, history and progress"),
        ("compare.py", ["--rounds", "1", "--pairs", "600"], "match and compare"),
        ("graph.py", ["--rounds", "1", "--nodes", "10"], "nodes"),
        ("history.py", ["--rounds", "1", "--runs", "300", "--frame", "300"], "runs of the history"),
        ("form.py", ["--rounds", "1", "--fields", "30"], "one edit of 30"),
        ("workers.py", ["--rounds", "1", "--calls", "100", "--inputs", "2000"], "two workers of Dask"),
    ],
)
def test_a_benchmark_runs(name: str, arguments: list[str], said: str) -> None:
    if name == "explore.py" and chromium.found() is None and os.environ.get("CI") != "true":
        pytest.skip("there is no chromium on the PATH")
    command = [sys.executable, str(BENCHMARKS / name), *arguments]
    done = subprocess.run(command, env=unmeasured(), capture_output=True, text=True, timeout=120, check=True)
    assert said in done.stdout
