"""Train the included motion priors (``semtta train prior``).

Variants:
    infill: label-conditioned completion of masked or spoilt motion.
    open: contrastive text alignment through a learnt projection, beside the completion network of an ``infill`` file.
    open-cosine: MotionCLIP's own losses (cosine to the text feature, reconstruction).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from ..errors import SemttaError, unknown_name
from ..motions import mocap
from ..motions.windows import WindowSampler, all_labels, held_out
from ..priors import OPEN_CONFIG, OPEN_COSINE_CONFIG, InfillConfig, InfillPrior, MotionCLIP, MotionDictionary, OpenPrior
from .dictionary import dictionary_of
from .loop import fit
from .prior_losses import Rollout, cosine_step, infill_step, open_step
from .prior_repair import attempt, cases
from .prior_thresholds import choose_threshold, fill_in_curve

KINDS: dict[str, type[MotionCLIP] | type[InfillPrior]] = {"open": OpenPrior, "open-cosine": MotionCLIP, "infill": InfillPrior}
VARIANTS = tuple(KINDS)
#: The part of a variant that is not trained.
FROZEN = {"open": "completion", "open-cosine": "text_projection"}
#: Motions are played at these speeds. Slow ones matter: a raised hand held for long is not "waving".
SPEEDS = (0.5, 1.3)
#: Share of windows that end early. Without it the padding of a short clip gives its label away.
CUT = 0.3


@dataclass(frozen=True)
class PriorTraining:
    """What a run needs to know. Steps are of ``batch`` windows; ``minutes`` shortens the schedule to a time budget.

    ``completion`` is a weights file of the variant ``infill``, for the variant ``open``. ``start`` is a weights file of the
    same variant to go on from, its sizes and dictionary included.
    """

    variant: str = "open"
    steps: int = 3000
    batch: int = 32
    rate: float = 6e-4
    seed: int = 0
    minutes: float | None = None
    completion: Path | None = None
    start: Path | None = None


def build(
    variant: str, data: WindowSampler, dictionary: MotionDictionary, completion: Path | None = None
) -> MotionCLIP | InfillPrior:
    """A prior of a variant before its training, its statistics taken from the data; ``open`` has its completion's dictionary."""
    if variant not in VARIANTS:
        raise unknown_name("prior variant", variant, VARIANTS)
    if variant == "open":
        if completion is None:
            raise SemttaError("Prior 'open' needs a completion network: train variant 'infill' and give it as --completion.")
        known = InfillPrior.from_checkpoint(completion)
        _same_labels(known, data, completion)
        prior = OpenPrior(OPEN_CONFIG, known.config, known.dictionary)
        prior.completion.load_state_dict(known.network.state_dict())
        prior.text_center.copy_(prior.completion.text_center)
        nn.init.orthogonal_(prior.text_projection.weight)
        return prior
    center = dictionary.text_features.mean(0)
    if variant == "infill":
        infill = InfillPrior(InfillConfig(), dictionary)
        infill.network.mean_six.copy_(data.mean_six)
        infill.network.text_center.copy_(center)
        return infill
    faithful = MotionCLIP(OPEN_COSINE_CONFIG, dictionary, name=variant, global_rotation="identity")
    faithful.text_center.copy_(center)
    with torch.no_grad():
        faithful.text_projection.weight.copy_(_cosine_keeping(dictionary.text_features - center, OPEN_COSINE_CONFIG.width))
    return faithful


def _same_labels(prior: MotionCLIP | InfillPrior, data: WindowSampler, path: Path) -> None:
    if prior.labels != tuple(data.labels):
        raise SemttaError(f"{path} was trained on other labels than these motions have.")


def _cosine_keeping(features: Tensor, width: int) -> Tensor:
    """A projection [width, D] that keeps the cosines of features [N, D] and gives them norms about sqrt(width).

    sqrt(width) is the norm of what the encoder's last layer norm puts out, so decoded text and motion look alike.
    """
    generator = torch.Generator().manual_seed(0)
    others = torch.randn(features.shape[1], features.shape[1], generator=generator)
    basis = torch.linalg.qr(torch.cat((features, others))[: features.shape[1]].mT).Q.mT[:width]
    weight = features.new_zeros(width, features.shape[1])
    weight[: len(basis)] = basis
    return weight * width**0.5 / features.norm(dim=-1).mean()


def train_prior(
    folder: str | Path, out: str | Path, training: PriorTraining, device: torch.device | str = "cpu"
) -> MotionCLIP | InfillPrior:  # fmt: skip
    """Train a variant on the packed motions in ``folder`` (train split, without the held-out styles); writes ``out``.

    Goes on from ``OUT.checkpoint.pt`` when there is one. The weights file is rewritten at every checkpoint. At the end the
    default fill-in threshold is chosen on motions that are not trained on (``prior_thresholds``).
    """
    out = Path(out)
    clips = [clip for clip in mocap.load(folder, "train") if not held_out(clip)]
    data = WindowSampler(clips, all_labels(clips), speeds=SPEEDS, cut=CUT)
    torch.manual_seed(training.seed)
    if training.start is None:
        prior = build(training.variant, data, dictionary_of(folder, data), training.completion).train()
    else:
        prior = KINDS[training.variant].from_checkpoint(training.start).train()
        _same_labels(prior, data, training.start)
    if training.variant in FROZEN:
        prior.get_submodule(FROZEN[training.variant]).requires_grad_(False)
    rollout = Rollout(training.batch // 5, data.length)
    trained = nn.ModuleDict({"prior": prior, "rollout": rollout}) if training.variant == "infill" else prior
    exemplars = prior.dictionary.exemplars if prior.dictionary is not None else None
    typical = data.nearest(exemplars).to(device) if training.variant == "open-cosine" and exemplars is not None else None
    prior, trained, data = prior.to(device), trained.to(device), data.to(device)

    def step(generator: torch.Generator) -> Mapping[str, Tensor]:
        if isinstance(prior, InfillPrior):
            return infill_step(prior, rollout, data, training.batch, generator)
        if typical is None:
            return open_step(prior, data, training.batch, generator)
        return cosine_step(prior, data, typical, training.batch, generator)

    provenance = {k: getattr(training, k) for k in ("steps", "batch", "rate", "seed", "minutes")}
    provenance["start"] = training.start and training.start.name
    done = fit(
        trained, step, out, steps=training.steps, rate=training.rate, seed=training.seed, minutes=training.minutes,
        device=device, on_checkpoint=lambda at: prior.save(out, trained_steps=at, training=provenance),
    )  # fmt: skip
    prior = prior.to("cpu").eval()
    attempts = [attempt(prior, case, data.mean_six.cpu()) for case in cases(folder, prior.labels, count=8)]
    points = fill_in_curve(prior, attempts)
    if points:  # else there is nothing to choose by, and the usual threshold stays
        prior.threshold = choose_threshold(points)
    prior.save(out, trained_steps=done, training=provenance)
    return prior
