"""How far the loop is from its physical limit: the network's own forward and backward passes on the same frames."""

from __future__ import annotations

import time

import torch

from ..build import build_roles, resolve
from ..devices import choose_device
from ..methods.offline.loop import Adaptation, State
from ..methods.passes import backward_in_pieces, forward, predict
from ..methods.problem import Problem
from ..types import Evidence, FrameBatch, SegmentLabel


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def loop_overhead(estimator: str = "open", frames: int = 120, device: str = "auto", epochs: int = 2) -> dict[str, float | str]:
    """Time ``epochs`` of the loop, and side by side the passes of the network that it cannot do without.

    The limit is, for every epoch, a forward and backward pass over the frames of its batches and one forward pass over
    all frames. Both are run in turn, three times, and the fastest of each counts.
    """
    where = choose_device(device)
    config = resolve("paper", {"estimator": estimator, "loop.epochs": epochs}).config
    roles = build_roles(config).to(where)
    generator = torch.Generator().manual_seed(0)
    size = roles.estimator.crop_px
    crops = torch.randint(256, (frames, 3, size, size), generator=generator, dtype=torch.uint8).to(where)
    points = torch.rand(frames, 29, 2, generator=generator).to(where) * 224
    present = torch.rand(frames, 29, generator=generator).to(where) < 0.5
    label = roles.prior.labels[0] if roles.prior.labels else "walking"
    inputs = FrameBatch.of_crops(crops)
    problem = Problem(inputs, Evidence(points, present), (SegmentLabel(0, frames, label),), 30.0)
    weights = {k: v.detach().clone().requires_grad_() for k, v in roles.estimator.named_parameters()}
    before = predict(roles.estimator, weights, inputs)
    adaptation = Adaptation(problem, roles, config)
    batches = [b for epoch in range(epochs) for b, _ in adaptation.batches(_at(adaptation.start(before), epoch))]

    def network() -> None:
        for batch in batches:
            backward_in_pieces(
                lambda x: forward(roles.estimator, weights, x, train=True),
                inputs[batch],
                lambda *outputs: sum((o.mean() for o in outputs), start=outputs[0].new_zeros(())),
                config.loop.micro_batch,
            )
        for _ in range(epochs):
            predict(roles.estimator, weights, inputs)

    times: dict[str, list[float]] = {"network": [], "loop": []}
    for _ in range(3):
        for name, work in (("network", network), ("loop", lambda: adaptation.run(before))):
            _wait(where)
            began = time.perf_counter()
            work()
            _wait(where)
            times[name].append(time.perf_counter() - began)
    best = {name: min(values) for name, values in times.items()}
    return {
        "device": torch.cuda.get_device_name(where) if where.type == "cuda" else str(where),
        "frames": frames,
        "network_ms_per_frame_and_epoch": 1000 * best["network"] / frames / epochs,
        "loop_ms_per_frame_and_epoch": 1000 * best["loop"] / frames / epochs,
        "loop_over_network": best["loop"] / best["network"],
    }


def _at(state: State, epoch: int) -> State:
    state.epoch = epoch
    return state
