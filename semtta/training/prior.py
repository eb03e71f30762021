"""Train the included motion priors (``semtta train prior``).

Variants:
    infill: label-conditioned completion of masked or corrupted motion.
    open: contrastive alignment with text through a learnt projection, plus the completion network of an ``infill`` file.
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
from .paraphrases import wordings_of
from .prior_losses import Rollout, cosine_step, infill_step, open_step
from .prior_repair import attempt, cases
from .prior_thresholds import choose_threshold, fill_in_curve

KINDS: dict[str, type[MotionCLIP] | type[InfillPrior]] = {"open": OpenPrior, "open-cosine": MotionCLIP, "infill": InfillPrior}
VARIANTS = tuple(KINDS)
#: The submodule of a variant that stays frozen.
FROZEN = {"open": "completion", "open-cosine": "text_projection"}
#: Range of playback speeds. Slow ones matter: a raised hand held for long is not "waving".
SPEEDS = (0.5, 1.3)
#: Fraction of windows that end early. Otherwise the padding of a short clip would give its label away.
CUT = 0.3


@dataclass(frozen=True)
class PriorTraining:
    """Options of a training run. A step has ``batch`` windows; ``minutes`` is a time budget that shortens the schedule.

    ``completion``: a weights file of the variant ``infill``, for the variant ``open``. ``start``: a weights file of the same
    variant to start from, including its sizes; ``begin`` says which may go on with other labels.
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
    """An untrained prior of a variant, with statistics from the data; ``open`` takes its completion network's dictionary."""
    if variant not in VARIANTS:
        raise unknown_name("prior variant", variant, VARIANTS)
    if variant == "open":
        if completion is None:
            raise SemttaError("Prior 'open' needs a completion network: train variant 'infill' and give it as --completion.")
        infill = InfillPrior.from_checkpoint(completion)
        _check_labels(infill, data, completion)
        prior = OpenPrior(OPEN_CONFIG, infill.config, infill.dictionary)
        prior.completion.load_state_dict(infill.network.state_dict())
        prior.text_center.copy_(prior.completion.text_center)
        nn.init.orthogonal_(prior.text_projection.weight)
        return prior
    center = dictionary.text_features.mean(0)
    if variant == "infill":
        infill = InfillPrior(InfillConfig(), dictionary)
        infill.network.mean_six.copy_(data.mean_six)
        infill.network.text_center.copy_(center)
        return infill
    cosine = MotionCLIP(OPEN_COSINE_CONFIG, dictionary, name=variant, global_rotation="identity")
    cosine.text_center.copy_(center)
    with torch.no_grad():
        cosine.text_projection.weight.copy_(_cosine_preserving(dictionary.text_features - center, OPEN_COSINE_CONFIG.width))
    return cosine


def _check_labels(prior: MotionCLIP | InfillPrior, data: WindowSampler, path: Path) -> None:
    if prior.labels != tuple(data.labels):
        raise SemttaError(f"{path} was trained on other labels than these motions have.")


def _cosine_preserving(features: Tensor, width: int) -> Tensor:
    """A projection [width, D] that preserves the cosines of features [N, D] and gives them norms of about sqrt(width).

    sqrt(width) is the norm of the encoder's output after its last layer norm, so text and motion features have one scale.
    """
    generator = torch.Generator().manual_seed(0)
    others = torch.randn(features.shape[1], features.shape[1], generator=generator)
    basis = torch.linalg.qr(torch.cat((features, others))[: features.shape[1]].mT).Q.mT[:width]
    weight = features.new_zeros(width, features.shape[1])
    weight[: len(basis)] = basis
    return weight * width**0.5 / features.norm(dim=-1).mean()


def begin(folder: str | Path, data: WindowSampler, training: PriorTraining) -> MotionCLIP | InfillPrior:
    """An untrained prior, or the one of ``training.start``, with the labels of the data where its kind can take them.

    ``infill`` reads features of words, so it takes any labels; ``open`` those of its completion network, if one is given.
    """
    if training.start is None:
        return build(training.variant, data, dictionary_of(folder, data), training.completion)
    prior = KINDS[training.variant].from_checkpoint(training.start)
    if training.variant == "infill":
        prior.dictionary = dictionary_of(folder, data)
    elif training.variant == "open" and training.completion is not None:
        encoder = {name: value for name, value in prior.state_dict().items() if not name.startswith(f"{FROZEN['open']}.")}
        prior = build("open", data, dictionary_of(folder, data), training.completion)
        prior.load_state_dict(prior.state_dict() | encoder)
    _check_labels(prior, data, training.start)
    return prior


def train_prior(
    folder: str | Path, out: str | Path, training: PriorTraining, device: torch.device | str = "cpu"
) -> MotionCLIP | InfillPrior:  # fmt: skip
    """Train a variant on the packed motions in ``folder`` (train split, without the held-out styles); writes ``out``.

    Resumes from ``OUT.checkpoint.pt`` if there is one. The weights file is rewritten at every checkpoint. At the end the
    prior's fill-in threshold is chosen on held-out motions (``prior_thresholds``).
    """
    out = Path(out)
    clips = [clip for clip in mocap.load(folder, "train") if not held_out(clip)]
    data = WindowSampler(clips, all_labels(clips), speeds=SPEEDS, cut=CUT)
    torch.manual_seed(training.seed)
    prior = begin(folder, data, training).train()
    if training.variant in FROZEN:
        prior.get_submodule(FROZEN[training.variant]).requires_grad_(False)
    rollout = Rollout(training.batch // 5, data.length)
    trained = nn.ModuleDict({"prior": prior, "rollout": rollout}) if training.variant == "infill" else prior
    exemplars = prior.dictionary.exemplars if prior.dictionary is not None else None
    typical = data.nearest(exemplars).to(device) if training.variant == "open-cosine" and exemplars is not None else None
    prior, trained, data = prior.to(device), trained.to(device), data.to(device)

    words = wordings_of(prior.dictionary, device) if prior.dictionary is not None else None

    def step(generator: torch.Generator) -> Mapping[str, Tensor]:
        if isinstance(prior, InfillPrior):
            assert words is not None
            return infill_step(prior, rollout, data, training.batch, generator, words)
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
    if points:  # without held-out motions the default threshold stays
        prior.threshold = choose_threshold(points)
    prior.save(out, trained_steps=done, training=provenance)
    return prior
