"""Do the tests notice? Each mutant changes one line of a copy of the package; the tests that guard it must fail.

python scripts/mutants.py [NAME ...]      # all without a name; exit code 1 if one survives
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
LOOP, SCHEDULE, DRAWS = "methods/offline/loop.py", "methods/offline/schedule.py", "methods/offline/segments.py"
CHOICE, EVIDENCE, UPDATES = "methods/offline/trainable.py", "data/evidence.py", "updaters/base.py"
GUARDS = "tests/methods/offline/test_guards.py"
TEST_LOOP = "tests/methods/offline/test_loop.py"
SUPERVISES = "tests/methods/test_what_supervises.py"
UPDATERS = "tests/updaters/test_updaters.py"
SEGMENTS = "tests/methods/offline/test_segments.py"
TRAINABLE = "tests/methods/offline/test_trainable.py"


class Mutant(NamedTuple):
    """One change, and the tests that must notice."""

    name: str
    file: str  # in semtta/
    old: str  # stands there once
    new: str
    tests: str  # of pytest


MUTANTS = (
    Mutant("visibility-ones", LOOP, "self.visible = joint_visibility(problem.evidence)",
           "self.visible = torch.ones_like(joint_visibility(problem.evidence))", GUARDS),
    Mutant("visibility-unknown", LOOP, "None, self.visible[frames].unflatten(0, shape)", "None, None", GUARDS),
    Mutant("visibility-of-other-frames", LOOP, "self.visible[frames].unflatten", "self.visible[frames.flip(0)].unflatten",
           GUARDS),
    Mutant("sampling-without-weights", LOOP, 'if self.loop.sampling == "similarity":', "if False:", GUARDS),
    Mutant("sampling-uniform", DRAWS, "weights = (1 - similarity).clamp(min=1e-3)",
           "weights = torch.ones_like(similarity)", GUARDS),
    Mutant("sampling-by-the-first-prediction", LOOP, "sampling_weights(self.segment_similarity(state.prediction).cpu()",
           "sampling_weights(self.__dict__.setdefault('kept', self.segment_similarity(state.prediction)).cpu()", GUARDS),
    Mutant("unlabelled-ignored", "losses/projection.py", "if not settings.unlabelled and context.segments:", "if False:", GUARDS),
    Mutant("confidence-kept-below-threshold", EVIDENCE, "seen = (confidence > threshold) & xy", "seen = xy", SUPERVISES),
    Mutant("confidence-at-threshold-counts", EVIDENCE, "(confidence > threshold)", "(confidence >= threshold)", SUPERVISES),
    Mutant("confidence-kept-outside-the-set", EVIDENCE, "weight * allowed", "weight", SUPERVISES),
    Mutant("every-joint-is-evidence", EVIDENCE, "crop_points(keypoints.xy, boxes), keypoints.confidence > 0)",
           "crop_points(keypoints.xy, boxes), keypoints.confidence >= 0)", SUPERVISES),
    Mutant("fast-emptied", "settings/presets.py",
           '{"loop.epochs": 3, "loop.segment_stride": 60, "loop.warmup_epochs": 0}', "{}", SUPERVISES),
    Mutant("no-floor-of-the-rate", SCHEDULE, "floor = min(loop.min_learning_rate, peak)", "floor = 0.0", GUARDS),
    # -- beyond the six of the issue ----------------------------------------------------------------------------------
    Mutant("ema-of-current", UPDATES, "settings.alpha * before.points", "settings.alpha * current.points", UPDATERS),
    Mutant("fill-in-ignores-sigma", UPDATES, "& (context.similarity > context.sigma)[:, None]", "", UPDATERS),
    Mutant("sigma-not-the-priors", LOOP, "self.roles.prior.threshold, self.supervised", "-1.0, self.supervised", GUARDS),
    Mutant("fill-in-ignores-supervised", UPDATES, "fill = fill & context.supervised", "pass", UPDATERS),
    Mutant("supervised-not-passed-on", LOOP, "wanted = SUPERVISED_SETS[config.evidence.joints]", "wanted = SMPL29", GUARDS),
    Mutant("similarity-lowest-of-segments", LOOP, "[segment.start : segment.stop].maximum(value)",
           "[segment.start : segment.stop].where(torch.tensor(False), value)", GUARDS),
    Mutant("no-warm-up", SCHEDULE, "if epoch < loop.warmup_epochs:", "if False:", GUARDS),
    Mutant("rate-not-set", LOOP, 'group["lr"] = rate', "pass", GUARDS),
    Mutant("denoiser-rate-not-scheduled", LOOP, "rate=learning_rate(self.loop, state.epoch, peak)", "rate=peak", GUARDS),
    Mutant("no-warm-up-of-align", "losses/base.py", "(min(1.0, progress / warmup) if warmup else 1.0)", "1.0", GUARDS),
    Mutant("align-weight-of-the-end", LOOP, "self.loss_weights(state.epoch))", "self.loss_weights(self.loop.epochs))", GUARDS),
    Mutant("trust-ignored", "losses/alignment.py", "if settings.use_trust", "if False", TEST_LOOP),
    Mutant("target-not-used", LOOP, "None if state.target is None else state.target[frames]", "None", TEST_LOOP),
    Mutant("target-not-denoised", LOOP, "rotations=made[0], betas=made[1]", "betas=made[1]", GUARDS),
    Mutant("evidence-moves-in-an-epoch", LOOP, "        state.optimiser.step()\n",
           "        state.optimiser.step()\n        self.update_keypoints(state)\n", TEST_LOOP),
    Mutant("evidence-of-the-start", LOOP, "state.evidence[frames], frames, segments,",
           "self.problem.evidence[frames], frames, segments,", GUARDS),
    Mutant("mixed-labels-aligned", DRAWS, "inside.pop() if len(inside) == 1 else None", "inside.pop()",
           SEGMENTS),
    Mutant("norm-is-all", CHOICE,
           'return {name for name in weights if name.rpartition(".")[0] in modules}', "return set(weights)", TRAINABLE),
    Mutant("last-is-all", CHOICE, "if name.startswith(estimator.last)}", "}", TRAINABLE),
    Mutant("lora-does-not-start-at-zero", CHOICE, "weights[name].new_zeros(outputs, count)",
           "weights[name].new_full((outputs, count), 0.01)", TRAINABLE),
    Mutant("step-not-in-fps", LOOP, "max(1, len(segments)), self.loop.segment_step)", "max(1, len(segments)))", TEST_LOOP),
    Mutant("predictions-of-training-dropped", LOOP, 'if self.loop.predictions == "train":', "if False:", GUARDS),
    Mutant("predictions-of-evaluation-dropped", LOOP, 'if self.loop.predictions == "eval":', "if False:", GUARDS),
    Mutant("last-prediction-dropped", LOOP, 'if self.loop.predictions == "train" and self.loop.epochs:', "if False:", GUARDS),
    Mutant("dropout-always", LOOP, "train=self.loop.dropout", "train=True", GUARDS),
    Mutant("min-steps-ignored", DRAWS, "while len(found) < loop.min_steps:", "while not found:", TEST_LOOP),
    Mutant("prior-not-trained-along", LOOP, "self.roles.prior.train_step(motion, labels)", "pass", TEST_LOOP),
)  # fmt: skip


def run_tests(package: Path, tests: str) -> subprocess.CompletedProcess[str]:
    """pytest with the package in ``package``, in a process of its own."""
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", "-c", str(ROOT / "pyproject.toml"),
               *(str(ROOT / part) for part in tests.split())]  # fmt: skip
    environment = {**os.environ, "PYTHONPATH": str(package), "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(command, cwd=package, env=environment, capture_output=True, text=True, check=False)


def apply(mutant: Mutant, package: Path) -> None:
    """Change the copy; SystemExit if the line that is to be changed is not there once."""
    place = package / "semtta" / mutant.file
    text = place.read_text()
    if text.count(mutant.old) != 1:
        raise SystemExit(
            f"{mutant.name}: {mutant.file} has {text.count(mutant.old)} times {mutant.old!r}; it must be there once."
        )
    place.write_text(text.replace(mutant.old, mutant.new))


def main(names: list[str]) -> int:
    """Print one line a mutant; 1 if one survives."""
    chosen = [mutant for mutant in MUTANTS if not names or mutant.name in names]
    unknown = set(names) - {mutant.name for mutant in MUTANTS}
    if unknown:
        raise SystemExit(f"Unknown: {', '.join(sorted(unknown))}. Known: {', '.join(m.name for m in MUTANTS)}.")
    survived = []
    with tempfile.TemporaryDirectory() as folder:
        package = Path(folder)
        shutil.copytree(ROOT / "semtta", package / "semtta", ignore=shutil.ignore_patterns("__pycache__"))
        for tests in dict.fromkeys(mutant.tests for mutant in chosen):
            done = run_tests(package, tests)
            if done.returncode:
                raise SystemExit(f"The tests fail without any mutant: {tests}\n{done.stdout[-3000:]}{done.stderr[-1000:]}")
        for mutant in chosen:
            original = (package / "semtta" / mutant.file).read_text()
            apply(mutant, package)
            began = time.perf_counter()
            done = run_tests(package, mutant.tests)
            (package / "semtta" / mutant.file).write_text(original)
            failed = [
                line.split(" - ")[0][7:].rsplit("::", 1)[-1] for line in done.stdout.splitlines() if line.startswith("FAILED ")
            ]
            killed = done.returncode == 1 and bool(failed)
            if not killed:
                survived.append(mutant.name)
            what = f"killed by {failed[0]}" if killed else f"SURVIVED (pytest returned {done.returncode})"
            print(f"{mutant.name:36}{what}  [{time.perf_counter() - began:.0f} s]", flush=True)
    print(f"{len(chosen) - len(survived)} of {len(chosen)} killed" + (f"; survived: {', '.join(survived)}" if survived else ""))
    return int(bool(survived))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
