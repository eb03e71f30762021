"""The tests of this folder once more on a pretended accelerator, where a tensor of the host among the device's is an error."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from torch.utils import backend_registration


@pytest.mark.skipif(
    not hasattr(backend_registration, "_setup_privateuseone_for_python_backend"), reason="needs a PyTorch with Python backends"
)
def test_everything_holds_on_a_pretended_device():
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", str(Path(__file__).parent)]
    environment = {**os.environ, "SEMTTA_TEST_ON_PRETENDED": "1", "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=Path(__file__).parents[2])
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-2000:]
    assert re.search(r"^\d{2,} passed", done.stdout.splitlines()[-1]), done.stdout[-500:]
