"""The motion dictionary, built from labelled motions: labels, their text features, and one exemplar segment of each."""

from __future__ import annotations

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

#: Where it lies, in the folder of the motions.
FILE = "dictionary.safetensors"
KINDS = ("open", "motionclip")
#: Clips of a label that are looked at for its exemplar, at most.
CANDIDATES = 200
#: An exemplar moves more than this share of its label's windows.
ENERGY = 0.6


def build_dictionary(data: WindowSampler, encode: Callable[[Sequence[str]], Tensor] = encode_labels) -> MotionDictionary:
    """Text features of the sampler's labels and, for each, the window nearest to its label's usual motion energy.

    A label that only mirror images have gets the mirror image of such a window. Windows are looked at label by label.
    """
    exemplars = []
    for index in range(len(data.labels)):
        own, mirrored = data.content == index, data.mirror_label[data.content] == index
        clips = (own if own.any() else mirrored).nonzero()[:, 0]
        if not len(clips):
            raise SemttaError(f"No motion has the label '{data.labels[index]}'.")
        clips = clips[torch.linspace(0, len(clips) - 1, min(len(clips), CANDIDATES)).round().long()]
        windows = data.subset(clips).every(3)
        windows = windows if own.any() else data.mirrored(windows)
        whole = windows.mask.all(-1)
        rotations = windows.rotations[whole] if whole.any() else windows.rotations
        energy = pelvis_frame_positions(rotations).diff(dim=1).norm(dim=-1).mean((1, 2))
        exemplars.append(rotations[(energy - energy.quantile(ENERGY)).abs().argmin()])
    return MotionDictionary(tuple(data.labels), encode(data.labels), torch.stack(exemplars))


def first_match(clips: Sequence[MotionClip], encode: Callable[[Sequence[str]], Tensor]) -> MotionDictionary:
    """The dictionary as MotionCLIP's published weights want it: labels as found, the first window of each as it was recorded.

    Global rotations are in AMASS's frame (z up) and not turned, as that network was trained.
    """
    first = {clip.content: clip for clip in reversed(clips)}
    labels = sorted(first)
    exemplars = torch.stack([first[label].rotations() for label in labels])
    exemplars[:, :, 0] = Z_TO_Y.mT @ exemplars[:, :, 0]
    return MotionDictionary(tuple(labels), encode(labels), exemplars)


def make_dictionary(
    folder: str | Path, out: str | Path, babel: str | Path | None = None, seed: int = 0, kind: str = "open", draws: int = 1,
    encode: Callable[[Sequence[str]], Tensor] | None = None,
) -> MotionDictionary:  # fmt: skip
    """Build the dictionary of packed motions, or of AMASS with BABEL's labels (train split), as ``out/dictionary.safetensors``.

    AMASS's windows are packed into ``out`` too, which is then a folder of motions to train on, with its dictionary.

    Args:
        folder: packed motions, or with ``babel`` AMASS.
        seed: of the windows that are drawn from AMASS, ``draws`` from every 100 frames; the labels depend on it.
        kind: "open" for priors that are trained here (a sentence encoder's features, labels of mirror images too, exemplars
            with y up that face +z), or "motionclip" for MotionCLIP's published weights (CLIP's features, see ``first_match``).
        encode: labels -> text features [N, D], instead of the kind's.
    """
    if kind not in KINDS:
        raise unknown_name("kind of dictionary", kind, KINDS)
    if kind == "motionclip" and babel is None:
        raise SemttaError("A dictionary for MotionCLIP's published weights is made of AMASS and BABEL: give --babel.")
    if babel is not None:
        amass.pack(folder, babel, out, seed, draws)
    clips = [clip for clip in mocap.load(folder if babel is None else out, "train") if not held_out(clip)]
    if kind == "motionclip":
        made = first_match(clips, encode or clip_features)
    else:
        made = build_dictionary(WindowSampler(clips, all_labels(clips)), encode or encode_labels)
    made.save(Path(out) / FILE, made_for=kind, seed=seed, clips=len(clips))
    return made


def give_dictionary(weights: str | Path, dictionary: MotionDictionary, out: str | Path) -> Path:
    """Write MotionCLIP's weights with a dictionary, as ``out/motionclip.safetensors``: a file for the prior 'motionclip'.

    Raises SemttaError for weights of another network, and for text features that are not of its latent space.
    """
    prior = MotionCLIP.from_checkpoint(weights)
    wide, wanted = dictionary.text_features.shape[1], prior.config.text_dim or prior.config.width
    if wide != wanted:
        cure = "build it with --for motionclip"
        raise SemttaError(f"The dictionary's text features have {wide} numbers, {weights} takes {wanted}: {cure}.")
    prior.dictionary = dictionary
    return prior.save(Path(out) / "motionclip.safetensors")


def dictionary_of(folder: str | Path, data: WindowSampler) -> MotionDictionary:
    """The dictionary that lies with the motions, or one built from the sampler's.

    Raises SemttaError if the one that is there has other labels: it was made of other motions, or for other weights.
    """
    path = Path(folder) / FILE
    if not path.exists():
        return build_dictionary(data)
    found = MotionDictionary.load(path)
    if found.labels != tuple(data.labels):
        raise SemttaError(f"{path} has {len(found.labels)} labels, the motions {len(data.labels)}: build it anew from them.")
    return found


def clip_features(labels: Sequence[str], clip: Callable[[Sequence[str]], Tensor] | None = None, batch: int = 256) -> Tensor:
    """CLIP's text features [N, 512] of the labels as they are, unit norm; its weights are downloaded when first used."""
    clip = clip or ClipText()
    parts = [clip(labels[start : start + batch]) for start in range(0, len(labels), batch)]
    return torch.nn.functional.normalize(torch.cat(parts), dim=-1)
