"""The motion dictionary, built from labelled motions: labels, their text features, and one exemplar of each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from torch import Tensor

from ..errors import SemttaError, unknown_name
from ..geometry.kinematics import pelvis_frame_positions
from ..motions import amass, mocap
from ..motions.amass import Z_TO_Y
from ..motions.mocap import MotionClip
from ..motions.windows import WindowSampler, all_labels, held_out
from ..priors import MotionCLIP, MotionDictionary
from ..priors.clip import ClipText
from ..priors.text import encode_labels

#: File name of the dictionary in a folder of motions.
FILE = "dictionary.safetensors"
KINDS = ("open", "motionclip")
#: Largest number of a label's clips that are considered for its exemplar.
CANDIDATES = 200
#: Quantile of motion energy among its label's windows at which an exemplar is chosen.
ENERGY = 0.6


def build_dictionary(data: WindowSampler, encode: Callable[[Sequence[str]], Tensor] = encode_labels) -> MotionDictionary:
    """Text features of the sampler's labels, and for each label the window nearest to its ``ENERGY`` quantile of motion energy.

    A label that occurs only as a mirror image gets a mirrored window.
    """
    exemplars, motions = [], []
    for index in range(len(data.labels)):
        recorded, mirrored = data.content == index, data.mirror_label[data.content] == index
        motions.append(int((recorded | mirrored).sum()))
        clips = (recorded if recorded.any() else mirrored).nonzero()[:, 0]
        if not len(clips):
            raise SemttaError(f"No motion has the label '{data.labels[index]}'.")
        clips = clips[torch.linspace(0, len(clips) - 1, min(len(clips), CANDIDATES)).round().long()]
        windows = data.subset(clips).every(3)
        windows = windows if recorded.any() else data.mirrored(windows)
        whole = windows.mask.all(-1)
        rotations = windows.rotations[whole] if whole.any() else windows.rotations
        energy = pelvis_frame_positions(rotations).diff(dim=1).norm(dim=-1).mean((1, 2))
        exemplars.append(rotations[(energy - energy.quantile(ENERGY)).abs().argmin()])
    return MotionDictionary(tuple(data.labels), encode(data.labels), torch.stack(exemplars), tuple(motions))


def first_match(clips: Sequence[MotionClip], encode: Callable[[Sequence[str]], Tensor]) -> MotionDictionary:
    """The dictionary for MotionCLIP's published weights: labels as they are, and the first window of each as recorded.

    Global rotations stay in AMASS's frame (z up), as that network was trained.
    """
    first = {clip.content: clip for clip in reversed(clips)}
    labels = sorted(first)
    exemplars = torch.stack([first[label].rotations() for label in labels])
    exemplars[:, :, 0] = Z_TO_Y.mT @ exemplars[:, :, 0]
    times = Counter(clip.content for clip in clips)
    return MotionDictionary(tuple(labels), encode(labels), exemplars, tuple(times[label] for label in labels))


def make_dictionary(
    folder: str | Path, out: str | Path, babel: str | Path | None = None, seed: int = 0, kind: str = "open", draws: int = 1,
    encode: Callable[[Sequence[str]], Tensor] | None = None,
) -> MotionDictionary:  # fmt: skip
    """Build the dictionary of packed motions, or of AMASS with BABEL's labels (train split), as ``out/dictionary.safetensors``.

    AMASS's windows are packed into ``out`` too, which then is a folder of motions to train on, with its dictionary.

    Args:
        folder: packed motions, or AMASS if ``babel`` is given.
        seed: of the windows drawn from AMASS (``draws`` from every 100 frames); the labels depend on it.
        kind: "open" for priors trained here (features of a sentence encoder, labels of mirror images too, exemplars with y up
            facing +z), or "motionclip" for MotionCLIP's published weights (CLIP's features, see ``first_match``).
        encode: labels -> text features [N, D]; by default the kind's.
    """
    if kind not in KINDS:
        raise unknown_name("kind of dictionary", kind, KINDS)
    if kind == "motionclip" and babel is None:
        raise SemttaError("A dictionary for MotionCLIP's published weights is built from AMASS and BABEL: give --babel.")
    if babel is not None:
        amass.pack(folder, babel, out, seed, draws)
    clips = [clip for clip in mocap.load(folder if babel is None else out, "train") if not held_out(clip)]
    if kind == "motionclip":
        dictionary = first_match(clips, encode or clip_features)
    else:
        dictionary = build_dictionary(WindowSampler(clips, all_labels(clips)), encode or encode_labels)
    dictionary.save(Path(out) / FILE, made_for=kind, seed=seed, clips=len(clips))
    return dictionary


def attach_dictionary(weights: str | Path, dictionary: MotionDictionary, out: str | Path) -> Path:
    """Write MotionCLIP's weights with a dictionary to ``out/motionclip.safetensors``: a weights file of the prior 'motionclip'.

    Raises SemttaError for weights of another network, and for text features of another size than its latent space.
    """
    prior = MotionCLIP.from_checkpoint(weights)
    size, expected = dictionary.text_features.shape[1], prior.config.text_dim or prior.config.width
    if size != expected:
        advice = "build it with --for motionclip"
        raise SemttaError(f"The dictionary's text features have {size} numbers, {weights} takes {expected}: {advice}.")
    prior.dictionary = dictionary
    return prior.save(Path(out) / "motionclip.safetensors")


def dictionary_of(folder: str | Path, data: WindowSampler) -> MotionDictionary:
    """The dictionary in the folder of the motions, or one built from the sampler's.

    Raises SemttaError if the dictionary there has other labels: it was built from other motions, or for other weights.
    """
    path = Path(folder) / FILE
    if not path.exists():
        return build_dictionary(data)
    dictionary = MotionDictionary.load(path)
    if dictionary.labels != tuple(data.labels):
        counts = f"{len(dictionary.labels)} labels, the motions {len(data.labels)}"
        raise SemttaError(f"{path} has {counts}: rebuild it from them with 'semtta dictionary build'.")
    return dictionary


def clip_features(labels: Sequence[str], clip: Callable[[Sequence[str]], Tensor] | None = None, batch: int = 256) -> Tensor:
    """CLIP's text features [N, 512] of the labels, unit norm; its weights are downloaded on first use."""
    clip = clip or ClipText()
    parts = [clip(labels[start : start + batch]) for start in range(0, len(labels), batch)]
    return torch.nn.functional.normalize(torch.cat(parts), dim=-1)
