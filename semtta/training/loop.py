"""What training runs share: learning-rate schedule, exact resuming from checkpoints, learning curve, progress."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from safetensors import SafetensorError
from torch import Tensor, nn

from ..devices import random_state, set_random_state
from ..errors import SemttaError, first_line
from ..io.files import write_atomically
from ..io.weights import load_checkpoint

#: A step's losses by name; "loss" is the one that is minimised.
Step = Callable[[torch.Generator], Mapping[str, Tensor]]


def cosine_rate(done: float, warmup: float = 0.03) -> float:
    """Learning-rate factor at fraction ``done`` of the run: linear warm-up, then cosine decay to 1 %."""
    rise = min(1.0, (done + 1e-3) / warmup)
    return rise * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * min(done, 1.0))))


def fit(
    model: nn.Module,
    step: Step,
    out: Path,
    *,
    steps: int,
    rate: float,
    seed: int = 0,
    minutes: float | None = None,
    weight_decay: float = 1e-4,
    stop_at: int | None = None,
    checkpoint_every: int = 100,
    log_every: int = 20,
    resume: bool = True,
    on_checkpoint: Callable[[int], object] | None = None,
    device: torch.device | str = "cpu",
) -> int:
    """Minimise ``step(generator)["loss"]`` over the model's parameters with AdamW; model and generator are on ``device``.

    Writes ``OUT.checkpoint.pt`` and ``OUT.curve.jsonl`` beside the weights file ``out``. An interrupted run resumes from its
    checkpoint with the same batches and the same result as an uninterrupted one (except with ``minutes``, a time budget that
    shortens the schedule).

    Returns:
        The number of steps done.
    """
    out.parent.mkdir(parents=True, exist_ok=True)
    checkpoint, curve = out.with_suffix(".checkpoint.pt"), out.with_suffix(".curve.jsonl")
    optimiser = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=rate, weight_decay=weight_decay)
    generator = torch.Generator(device).manual_seed(seed)
    start, spent = 0, 0.0
    if resume and checkpoint.is_file():
        state = load_checkpoint(checkpoint)
        try:
            model.load_state_dict(state["model"])
        except (RuntimeError, KeyError, TypeError) as error:
            raise SemttaError(f"{checkpoint} is of another architecture; remove it or train to another file.") from error
        optimiser.load_state_dict(state["optimiser"])
        generator.set_state(state["generator"])
        set_random_state(state["rng"], device)
        start, spent = state["step"], state["spent"]
        keep = curve.read_text().splitlines()[: state["logged"]] if curve.is_file() else []
        curve.write_text("".join(line + "\n" for line in keep))
    else:
        torch.manual_seed(seed)
        curve.unlink(missing_ok=True)
    logged = len(curve.read_text().splitlines()) if curve.is_file() else 0

    def save(at: int) -> None:
        state = {
            "model": model.state_dict(), "optimiser": optimiser.state_dict(), "generator": generator.get_state(),
            "rng": random_state(device), "step": at, "spent": spent, "logged": logged,
        }  # fmt: skip
        try:
            write_atomically(checkpoint, lambda part: torch.save(state, part))
            if on_checkpoint:
                on_checkpoint(at)
        except (OSError, RuntimeError, SafetensorError) as error:  # torch and safetensors raise their own for a full disk
            raise SemttaError(
                f"Cannot write {checkpoint} at step {at} ({first_line(error)}): make room and run it again."
            ) from error

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    sums: dict[str, Tensor] = {}  # read only when they are logged, so that a GPU does not stall
    at = start
    with Progress(*columns) as progress, curve.open("a") as log:
        task = progress.add_task(out.stem, total=steps, completed=start)
        while at < min(steps, stop_at or steps):
            started = time.monotonic()
            done = max(at / steps, spent / (60 * minutes) if minutes else 0.0)
            if done >= 1:
                break
            for group in optimiser.param_groups:
                group["lr"] = rate * cosine_rate(done)
            with torch.device(device):  # where the step creates tensors
                losses = step(generator)
            optimiser.zero_grad()
            losses["loss"].backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimiser.step()
            at += 1
            spent += time.monotonic() - started
            sums = {k: v.detach() / log_every + sums.get(k, 0.0) for k, v in losses.items()}
            if at % log_every == 0:
                means = {k: round(float(v), 5) for k, v in sums.items()}
                if not math.isfinite(means["loss"]):
                    raise SemttaError(f"Training of {out.name} diverged at step {at}; lower the learning rate.")
                log.write(json.dumps({"step": at, "seconds": round(spent, 1), **means}) + "\n")
                log.flush()
                logged, sums = logged + 1, {}
                progress.update(task, description=f"{out.stem} loss {means['loss']:.3f}")
            progress.update(task, completed=at)
            if at % checkpoint_every == 0:
                save(at)
    save(at)
    return at
