"""Builds the included demo clip: a person walks; a hedge hides the legs for about half of the time.

    python -m semtta.synthesis.demo --motion humanoid3d_walk.txt --out semtta/assets/demo

``humanoid3d_walk.txt`` is DeepMimic's; the package ``pybullet_data`` has it in ``data/motions``.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from ..errors import SemttaError
from ..io.files import write_atomically
from .clips import Clip, Script, render_clip, save_clip
from .deepmimic import read_motion
from .domains import WILD

SEED = 23
FRAMES = 120
SCRIPT = Script("occluded", hidden=(0.27, 0.77), azimuth_deg=-55)

README = """# Demo clip

A rendered person walks past a hedge that hides the legs in the middle of the clip: {frames} frames at 30 fps,
{width} x {height}.

| file | what |
|---|---|
| `walk.mp4` | the clip (h264) |
| `keypoints.npz` | as from a 2D detector: `keypoints` [T, 25, 3], BODY_25: x, y (pixels), confidence (0 = none) |
| `ground_truth.npz` | the truth, see `semtta.synthesis.clips.truth_arrays`; camera frame, metres |

Made by

    python -m semtta.synthesis.demo --motion humanoid3d_walk.txt --out semtta/assets/demo --seed {seed}

(the seed was chosen by the look of the picture, before anything was run on it).

Licence: Apache-2.0, as the code that made it. The motion is `humanoid3d_walk` of DeepMimic
(https://github.com/xbpeng/DeepMimic, MIT, Copyright (c) 2018 Xue Bin Peng), converted to SMPL's convention, repeated,
smoothed a little and rendered on the `open` body (made from MakeHuman's CC0 data). Nothing of DeepMimic is in any
training data of the included weights. DeepMimic's notice:

> Permission is hereby granted, free of charge, to any person obtaining a copy of this software and associated
> documentation files (the "Software"), to deal in the Software without restriction, including without limitation the
> rights to use, copy, modify, merge, publish, distribute, sublicense, and/or sell copies of the Software, and to permit
> persons to whom the Software is furnished to do so, subject to the following conditions: The above copyright notice
> and this permission notice shall be included in all copies or substantial portions of the Software. THE SOFTWARE IS
> PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR IMPLIED, INCLUDING BUT NOT LIMITED TO THE WARRANTIES OF
> MERCHANTABILITY, FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE AUTHORS OR COPYRIGHT
> HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR OTHERWISE,
> ARISING FROM, OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE SOFTWARE.
"""


def build(motion: Path, out: Path, seed: int = SEED) -> Clip:
    """Render the demo clip from a DeepMimic walk; write it, its ground truth and its README to a folder."""
    clip = render_clip(read_motion(motion, "walking", FRAMES, smooth_frames=1.5), SCRIPT, WILD, seed, "walk")
    save_clip(clip, out, crf=24)
    text = README.format(frames=len(clip.frames), width=clip.size[0], height=clip.size[1], seed=seed)
    write_atomically(out / "README.md", lambda path: path.write_text(text))
    return clip


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--motion", type=Path, required=True, help="DeepMimic's humanoid3d_walk.txt")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=SEED)
    options = parser.parse_args()
    try:
        build(options.motion, options.out, options.seed)
    except SemttaError as error:
        raise SystemExit(f"error: {error}") from error


if __name__ == "__main__":
    main()
