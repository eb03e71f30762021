"""How well people who sit are followed: rendered clips of procedural motions that no training has seen.

    python scripts/sitting.py [--count 3] [--label sitting] [--prior-weights FILE ...]

Prints MPJPE and PA-MPJPE (mm) of each clip, unadapted and adapted, and how far hips are above knees, true and found (mm, along
the picture's vertical; the camera is level within a few degrees).
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import semtta
from semtta.constants import SMPL24
from semtta.motions.procedural.generate import procedural_motions
from semtta.settings import parse_assignments
from semtta.synthesis.clips import Script, render_clip, save_clip

HIPS, KNEES = ([SMPL24.index(f"{side}_{joint}") for side in "LR"] for joint in ("Hip", "Knee"))


def above(joints):
    """Mean height of the hips above the knees [T, 24, 3] -> mm; the camera frame's y points down."""
    return 1000 * float((joints[:, KNEES, 1].mean(1) - joints[:, HIPS, 1].mean(1)).mean())


def main() -> None:
    """Render, adapt, measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--label", default="sitting")
    parser.add_argument("--count", type=int, default=3)
    parser.add_argument("--set", action="append", default=[], dest="assignments")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        for seed, motion in enumerate(procedural_motions([options.label], options.count, split="test", seconds=4)):
            clip = render_clip(motion, Script(size=(480, 360)), seed=100 + seed, name=f"clip{seed}")
            save_clip(clip, Path(folder))
            video = semtta.load_video(Path(folder) / f"clip{seed}.mp4", keypoints=clip.keypoints, label=options.label)
            result = semtta.adapt(video, settings=dict(parse_assignments(options.assignments)))
            before, after = (semtta.evaluate(result, clip.truth, unadapted=flag) for flag in (True, False))
            print(
                f"{options.label} {seed}: {before['mpjpe']:.1f} / {before['pa_mpjpe']:.1f} -> {after['mpjpe']:.1f} / "
                f"{after['pa_mpjpe']:.1f} mm; hips above knees {above(clip.truth.joints):.0f}, found {above(result.joints):.0f}; "
                f"label {result.labels[0].label}",
                flush=True,
            )  # fmt: skip


if __name__ == "__main__":
    main()
