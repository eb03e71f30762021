"""Where and with what a number was made: hardware, versions, commit."""

from __future__ import annotations

import os
import platform
import subprocess
from pathlib import Path

import torch


def hardware(device: str) -> str:
    """The device by name, with how many threads it was used: "NVIDIA H100", "Intel Xeon ..., 1 thread"."""
    if device.startswith("cuda") and torch.cuda.is_available():
        return torch.cuda.get_device_name(torch.device(device))
    threads = torch.get_num_threads()
    return f"{_processor()}{' (mps)' if device == 'mps' else ''}, {threads} thread{'s' * (threads > 1)} of {os.cpu_count()}"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def commit() -> str | None:
    """The commit of the source that runs, "+" when files differ from it; None outside a checkout."""
    here = Path(__file__).resolve().parent

    def git(*arguments: str) -> str:
        done = subprocess.run(["git", "-C", str(here), *arguments], capture_output=True, text=True, timeout=10, check=True)
        return done.stdout.strip()

    try:
        git("ls-files", "--error-unmatch", Path(__file__).name)  # a checkout of this project, not of one around it
        return git("rev-parse", "--short=12", "HEAD") + ("+" if git("status", "--porcelain", "--untracked-files=no") else "")
    except (OSError, subprocess.SubprocessError):
        return None
