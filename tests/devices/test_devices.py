"""Nothing is fixed to the CPU, and the loop hardly waits for its device. A pretended one stands in for a GPU."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from torch.utils import backend_registration

pytestmark = pytest.mark.skipif(
    not hasattr(backend_registration, "_setup_privateuseone_for_python_backend"), reason="needs a PyTorch with Python backends"
)


def work(*arguments: object) -> dict[str, int]:
    command = [sys.executable, str(Path(__file__).with_name("work.py")), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)})
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize("settings", [{"preset": "paper"}, {"preset": "best"}, {"preset": "cycleadapt", "labeler": "none"}])
def test_adaptation_runs_there_and_waits_a_few_times_an_epoch(settings):
    waits = work("adapt", 64, json.dumps({"epochs": 2, **settings}))
    assert 0 < sum(waits.values()) <= 20, waits  # for the epoch's batches and its record, not at every step


def test_an_online_method_runs_there():
    settings = {"method": "boa", "prior": "none", "labeler": "none", "denoiser": "none", "epochs": 1}
    work("adapt", 4, json.dumps(settings))


def test_training_runs_there(mocap_folder, tmp_path):
    work("train", mocap_folder, tmp_path)
