"""Take the motions of synthwild out of the packed collections: ``semtta/assets/synthwild/motions.npz``.

    python scripts/pack_synthwild.py MOCAP

MOCAP holds ``SOURCE_SPLIT.npz`` files (see ``semtta.training.mocap``). Only motions that nothing is trained on are
taken: everything of DeepMimic, and clips of the ``val`` and ``test`` files of the others.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np

from semtta.io.files import write_atomically
from semtta.motions.cycles import repeat_cycle
from semtta.motions.mocap import FPS, TEST_ONLY, MotionClip, load_file
from semtta.synthesis.synthwild import FOLDER, TAKES, Take, licence

SCALE = np.pi / 32767


def find(folder: Path) -> dict[str, MotionClip]:
    """The clips that may be used for a take, by split and name."""
    found = {}
    for path in sorted(folder.glob("*.npz")):
        source, split = path.stem.rsplit("_", 1)
        if source in TEST_ONLY or split != "train":
            splits = ("val", "test") if source in TEST_ONLY else (split,)
            found.update({(name, clip.clip_id): clip for clip in load_file(path) for name in splits})
    return found


def cut(take: Take, clip: MotionClip) -> MotionClip:
    """The take's part of a clip; it starts at x = z = 0."""
    if take.cyclic:
        clip = repeat_cycle(clip, take.start + take.frames)
    part = slice(take.start, take.start + take.frames)
    trans = clip.trans[part] - clip.trans[take.start] * np.float32([1, 0, 1])
    if len(trans) != take.frames:
        raise SystemExit(f"{take.motion} has {len(clip)} frames, {take.name} wants {part.stop}.")
    return replace(clip, axis_angle=clip.axis_angle[part], trans=trans)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("mocap", type=Path)
    clips = find(parser.parse_args().mocap)
    cuts = [cut(take, clips[take.split, take.motion]) for take in TAKES]
    lengths = np.array([len(clip) for clip in cuts], np.int32)
    pack = {
        "poses": np.round(np.concatenate([clip.axis_angle for clip in cuts]) / SCALE).astype(np.int16),
        "pose_scale": SCALE, "trans": np.concatenate([clip.trans for clip in cuts]), "fps": np.int32(FPS),
        "source": np.str_("synthwild"), "start": (np.cumsum(lengths) - lengths).astype(np.int64), "length": lengths,
        "clip_id": np.array([clip.clip_id for clip in cuts]), "content": np.array([take.label for take in TAKES]),
        "style": np.array([clip.style for clip in cuts]), "text": np.array([clip.text for clip in cuts]),
        "licence": np.array([licence(take.motion) for take in TAKES]),
    }  # fmt: skip
    path = FOLDER / "motions.npz"
    write_atomically(path, lambda part: np.savez_compressed(part, **pack))
    print(f"{path.name}: {len(cuts)} motions, {path.stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
