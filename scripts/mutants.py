"""Do the tests notice? Each mutant changes one line of a copy of the package; the test that guards it must fail.

python scripts/mutants.py [NAME ...]      # all without a name; exit code 1 if one survives
python scripts/mutants.py --check         # only whether the line and the test of each are there; runs nothing
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
LOOP, SCHEDULE, DRAWS = "methods/offline/loop.py", "methods/offline/schedule.py", "methods/offline/segments.py"
CHOICE, EVIDENCE, UPDATES = "methods/offline/trainable.py", "data/evidence.py", "updaters/base.py"
OFFLINE = "tests/methods/offline"
GUARDS, TEST_LOOP, SEGMENTS = f"{OFFLINE}/test_guards.py", f"{OFFLINE}/test_loop.py", f"{OFFLINE}/test_segments.py"
TRAINABLE, UPDATERS = f"{OFFLINE}/test_trainable.py", "tests/updaters/test_updaters.py"
BLAZEPOSE, TEST_BLAZEPOSE = "detectors/blazepose.py", "tests/detectors/test_blazepose.py"
SWAPS, TEST_SWAPS, LANDMARKS = "data/swaps.py", "tests/data/test_swaps.py", "tests/losses/test_landmark_loss.py"
SUPERVISES = "tests/methods/test_what_supervises.py"
DIVERGED = "tests/robustness/test_diverged_runs.py"


class Mutant(NamedTuple):
    """One change, and the test that must notice."""

    name: str
    file: str  # in semtta/
    old: str  # stands there once
    new: str
    place: str  # file of the test
    test: str


MUTANTS = (
    Mutant("visibility-ones", LOOP, "self.visible = joint_visibility(problem.evidence)",
           "self.visible = torch.ones_like(joint_visibility(problem.evidence))", GUARDS,
           "test_the_prior_is_told_which_joints_of_which_frames_are_seen"),
    Mutant("visibility-unknown", LOOP, "None, visible, self.problem.fps / step", "None, None, self.problem.fps / step", GUARDS,
           "test_the_prior_is_told_which_joints_of_which_frames_are_seen"),
    Mutant("visibility-of-other-frames", LOOP, "self.visible[frames].unflatten", "self.visible[frames.flip(0)].unflatten",
           GUARDS,
           "test_the_prior_is_told_which_joints_of_which_frames_are_seen"),
    Mutant("sampling-without-weights", LOOP, 'if self.loop.sampling == "similarity":', "if False:", GUARDS,
           "test_segments_that_fit_their_label_less_are_drawn_more"),
    Mutant("sampling-uniform", DRAWS, "weights = (1 - similarity).clamp(min=1e-3)",
           "weights = torch.ones_like(similarity)", GUARDS,
           "test_segments_that_fit_their_label_less_are_drawn_more"),
    Mutant("sampling-by-the-first-prediction", LOOP, "sampling_weights(state.segment_similarity.cpu()",
           "sampling_weights(self.__dict__.setdefault('kept', state.segment_similarity).cpu()", GUARDS,
           "test_the_run_draws_by_the_newest_similarity"),
    Mutant("unlabelled-ignored", "losses/projection.py", "if not settings.unlabelled and context.segments:", "if False:", GUARDS,
           "test_segments_without_a_label_supervise_only_if_the_settings_say_so"),
    Mutant("confidence-kept-below-threshold", EVIDENCE, "seen = (confidence > threshold) & ~not_found", "seen = ~not_found",
           SUPERVISES,
           "test_keypoints_that_are_not_sure_enough_do_not_supervise"),
    Mutant("confidence-at-threshold-counts", EVIDENCE, "(confidence > threshold)", "(confidence >= threshold)", SUPERVISES,
           "test_keypoints_that_are_not_sure_enough_do_not_supervise"),
    Mutant("confidence-kept-outside-the-set", EVIDENCE, "weight * allowed", "weight", SUPERVISES,
           "test_joints_that_are_not_of_the_supervised_set_do_not_supervise"),
    Mutant("every-joint-is-evidence", EVIDENCE, "crop_points(keypoints.xy, boxes), keypoints.confidence > 0)",
           "crop_points(keypoints.xy, boxes), keypoints.confidence >= 0)", SUPERVISES,
           "test_keypoints_that_are_not_sure_enough_do_not_supervise"),
    Mutant("fast-emptied", "settings/presets.py",
           '{**_BEST, "loop.epochs": 3, "loop.segment_stride": 60, "loop.warmup_epochs": 0}', "{}", SUPERVISES,
           "test_a_preset_is_what_the_run_does[fast-3-rates0-10]"),
    Mutant("no-floor-of-the-rate", SCHEDULE, "floor = min(loop.min_learning_rate, peak)", "floor = 0.0", GUARDS,
           "test_both_optimisers_end_at_the_floor_of_the_learning_rate"),
    # -- beyond the six of the issue ----------------------------------------------------------------------------------
    Mutant("ema-of-current", UPDATES, "settings.alpha * before.points", "settings.alpha * current.points", UPDATERS,
           "test_an_update_starts_from_the_evidence_before_it"),
    Mutant("fill-in-ignores-sigma", UPDATES, "& (context.similarity > context.sigma)[:, None]", "", UPDATERS,
           "test_fill_in_needs_similarity_above_sigma"),
    Mutant("sigma-not-the-priors", LOOP, "self.roles.prior.threshold, self.supervised", "-1.0, self.supervised", GUARDS,
           "test_fill_in_compares_with_the_priors_sigma"),
    Mutant("fill-in-ignores-supervised", UPDATES, "fill = fill & context.supervised", "pass", UPDATERS,
           "test_fillable_joints_and_crop_are_settings"),
    Mutant("supervised-not-passed-on", LOOP, "wanted = SUPERVISED_SETS[config.evidence.joints]", "wanted = SMPL29", GUARDS,
           "test_fill_in_compares_with_the_priors_sigma"),
    Mutant("similarity-lowest-of-segments", LOOP, "[segment.start : segment.stop].maximum(value)",
           "[segment.start : segment.stop].where(torch.tensor(False), value)", GUARDS,
           "test_the_similarity_of_a_frame_is_the_highest_of_its_segments"),
    Mutant("no-warm-up", SCHEDULE, "if epoch < loop.warmup_epochs:", "if False:", GUARDS,
           "test_the_learning_rate_of_a_run_warms_up"),
    Mutant("rate-not-set", LOOP, 'group["lr"] = rate', "pass", GUARDS,
           "test_both_optimisers_end_at_the_floor_of_the_learning_rate"),
    Mutant("denoiser-rate-not-scheduled", LOOP, "rate=learning_rate(self.loop, state.epoch, peak)", "rate=peak", GUARDS,
           "test_both_optimisers_end_at_the_floor_of_the_learning_rate"),
    Mutant("no-warm-up-of-align", "losses/base.py", "(min(1.0, progress / warmup) if warmup else 1.0)", "1.0", GUARDS,
           "test_the_weight_of_the_alignment_grows_in_the_run"),
    Mutant("align-weight-of-the-end", LOOP, "self.loss_weights(state.epoch))", "self.loss_weights(self.loop.epochs))", GUARDS,
           "test_the_weight_of_the_alignment_grows_in_the_run"),
    Mutant("trust-ignored", "losses/alignment.py", "if settings.use_trust", "if False", TEST_LOOP,
           "test_trust_scales_the_alignment_of_each_segment_if_asked_to"),
    Mutant("target-not-used", LOOP, "None if state.target is None else state.target[frames]", "None", TEST_LOOP,
           "test_without_denoiser_there_is_no_smoothing"),
    Mutant("target-not-denoised", LOOP, "rotations=rotations, betas=betas)", "betas=betas)", GUARDS,
           "test_the_smoothing_losses_are_distances_to_the_denoised_motion"),
    Mutant("evidence-moves-in-an-epoch", LOOP, "        state.optimiser.step()\n",
           "        state.optimiser.step()\n        self.update_keypoints(state)\n", TEST_LOOP,
           "test_keypoints_stay_fixed_within_an_epoch_and_move_after_it"),
    Mutant("evidence-of-the-start", LOOP, "state.evidence[frames], frames, segments,",
           "self.problem.evidence[frames], frames, segments,", GUARDS,
           "test_moved_keypoints_supervise_the_next_epoch"),
    Mutant("mixed-labels-aligned", DRAWS, "inside.pop() if of_one_label else None", "inside.pop()",
           SEGMENTS,
           "test_mixed_labels_are_not_aligned"),
    Mutant("mixed-segments-kept", LOOP, 'self.loop.mixed_segments == "drop"', "False", GUARDS,
           "test_segments_of_mixed_labels_are_kept_or_left_out_as_the_settings_say"),
    Mutant("norm-is-all", CHOICE,
           'return {name for name in weights if name.rpartition(".")[0] in modules}', "return set(weights)", TRAINABLE,
           "test_exactly_what_is_chosen_is_adapted[norm]"),
    Mutant("last-is-all", CHOICE, "if name.startswith(estimator.last)}", "}", TRAINABLE,
           "test_exactly_what_is_chosen_is_adapted[last]"),
    Mutant("lora-does-not-start-at-zero", CHOICE, "weights[name].new_zeros(outputs, count)",
           "weights[name].new_full((outputs, count), 0.01)", TRAINABLE,
           "test_lora_starts_as_the_pre_trained_network_and_adds_a_matrix_of_its_rank"),
    Mutant("step-not-in-fps", LOOP, "len(segments), self.loop.segment_step, projected)", "len(segments), 1, projected)",
           TEST_LOOP, "test_a_step_may_run_every_other_frame_of_its_segments"),
    Mutant("predictions-of-training-dropped", LOOP, 'if self.loop.predictions == "train":', "if False:", GUARDS,
           "test_predictions_of_training_are_those_of_the_steps"),
    Mutant("predictions-of-evaluation-dropped", LOOP, 'if self.loop.predictions == "eval":', "if False:", GUARDS,
           "test_predictions_of_evaluation_are_those_of_the_weights_by_now"),
    Mutant("last-prediction-dropped", LOOP, 'if self.loop.predictions == "train" and self.loop.epochs:', "if False:", GUARDS,
           "test_predictions_of_training_are_those_of_the_steps"),
    Mutant("dropout-always", LOOP, "train=self.loop.dropout", "train=True", GUARDS,
           "test_predictions_of_training_are_those_of_the_steps"),
    Mutant("min-steps-ignored", DRAWS, "while len(batches) < loop.min_steps:", "while not batches:", TEST_LOOP,
           "test_a_short_video_gets_its_steps[similarity]"),
    # -- landmarks and swaps ------------------------------------------------------------------------------------------
    Mutant("landmarks-not-turned-back", BLAZEPOSE, "world[:, :2] @ roi.rotation().T", "world[:, :2]", TEST_BLAZEPOSE,
           "test_landmarks_turn_back_with_the_region"),
    Mutant("landmarks-turned-the-other-way", BLAZEPOSE, "world[:, :2] @ roi.rotation().T", "world[:, :2] @ roi.rotation()",
           TEST_BLAZEPOSE, "test_landmarks_turn_back_with_the_region"),
    Mutant("landmarks-away-from-the-camera", BLAZEPOSE, "roi.rotation().T, world[:, 2:]]", "roi.rotation().T, -world[:, 2:]]",
           TEST_BLAZEPOSE, "test_landmarks_turn_back_with_the_region"),
    Mutant("landmarks-from-the-models-origin", BLAZEPOSE, "return turned - turned[_HIPS].mean(0)", "return turned",
           TEST_BLAZEPOSE, "test_from_frame_to_landmarks"),
    Mutant("landmarks-of-anybody", "data/landmarks.py", "confidence = found.landmarks.confidence * same[:, None]",
           "confidence = found.landmarks.confidence * torch.ones_like(same)[:, None]", "tests/data/test_landmarks.py",
           "test_landmarks_of_the_person_that_the_keypoints_are_of"),
    Mutant("landmarks-smoothed-without-weights", "data/landmarks.py",
           "weight = landmarks.confidence.to(landmarks.xyz)[..., None]",
           "weight = (landmarks.confidence > 0).to(landmarks.xyz)[..., None]", "tests/data/test_landmarks.py",
           "test_smoothing_weighs_by_confidence_and_leaves_the_unseen"),
    Mutant("landmarks-of-other-frames", "losses/landmarks.py", "points[context.frames]", "points[: len(context.frames)]",
           LANDMARKS, "test_the_hips_are_where_both_are_measured_from_and_frames_are_the_steps"),
    Mutant("landmarks-not-weighed", "losses/landmarks.py", ".mean(-1) * confidence)", ".mean(-1))", LANDMARKS,
           "test_mean_distance_by_hand"),
    Mutant("landmarks-size-pulls-the-shape", "losses/landmarks.py", "joints.detach()", "joints", LANDMARKS,
           "test_the_shape_gets_no_gradient_from_the_landmarks_size"),
    Mutant("swaps-without-momentum", SWAPS, "MOMENTUM = 0.8", "MOMENTUM = 0.0", TEST_SWAPS, "test_slow_videos"),
    Mutant("swaps-without-the-face", SWAPS, "FACING = 0.6", "FACING = 0.0", TEST_SWAPS,
           "test_the_face_says_which_part_of_the_clip_is_right"),
    Mutant("swaps-cost-nothing", SWAPS, "CHANGE, STAY = 7.0, 0.8", "CHANGE, STAY = 0.0, 0.0", TEST_SWAPS,
           "test_nothing_is_found_where_nothing_is_swapped"),
    Mutant("a-new-joint-costs-nothing", SWAPS, "APPEARS, GOES = 2.0, 1.0", "APPEARS, GOES = 0.0, 0.0", TEST_SWAPS,
           "test_one_visible_side_is_no_swap"),
    Mutant("swaps-not-repaired", "pipeline/locate.py", "keypoints=keypoints, messages", "messages", TEST_SWAPS,
           "test_what_is_found_is_swapped_back_and_told"),
    Mutant("prior-not-trained-along", LOOP, "self.roles.prior.train_step(motion, labels)", "pass", TEST_LOOP,
           "test_a_prior_that_is_trained_along_starts_anew_and_is_resumed"),
    Mutant("diverged-goes-on", "api.py", "require_finite(state, config, kept=checkpoint is not None)", "pass", DIVERGED,
           "test_a_run_that_explodes_stops_and_keeps_the_epoch_before[semantic-nan]"),
    Mutant("diverged-weights-kept", "methods/divergence.py", "what = what or not_finite(", "what = what and not_finite(",
           DIVERGED,
           "test_weights_that_explode_in_the_last_step_of_an_epoch_are_not_kept"),
    Mutant("diverged-loss-ignored", "methods/divergence.py", "not math.isfinite(value)", "False", DIVERGED,
           "test_a_loss_alone_that_is_not_finite_is_noticed"),
    Mutant("diverged-saved", "api.py", "    if wrong:\n", "    if False:\n", DIVERGED,
           "test_a_motion_that_is_not_finite_is_no_result"),
)  # fmt: skip


def failed(package: Path, tests: Iterable[str]) -> list[str] | None:
    """The tests that fail with the package in ``package``, in a process of its own; None if pytest itself does."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-c", str(ROOT / "pyproject.toml"),
               *(str(ROOT / test) for test in tests)]  # fmt: skip
    environment = {**os.environ, "PYTHONPATH": str(package), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(command, cwd=package, env=environment, capture_output=True, text=True, check=False)
    if done.returncode not in (0, 1):
        print(done.stdout[-2000:], done.stderr[-2000:], file=sys.stderr)
        return None
    return [line.split(" - ")[0].rsplit("::", 1)[-1] for line in done.stdout.splitlines() if line.startswith("FAILED ")]


def wrong(mutant: Mutant) -> str:
    """What keeps a mutant from being tried: its line is not there once, or its test is gone; "" if nothing."""
    file, tests = ROOT / "semtta" / mutant.file, ROOT / mutant.place
    times = file.read_text().count(mutant.old) if file.is_file() else 0
    if times != 1:
        return f"{mutant.name}: {mutant.file} has {times} times {mutant.old!r}; it must be there once."
    test = mutant.test.partition("[")[0]
    if not (tests.is_file() and re.search(rf"^ *def {test}\(", tests.read_text(), re.MULTILINE)):
        return f"{mutant.name}: {mutant.place} has no test {test}."
    return ""


def change(mutant: Mutant, package: Path) -> Callable[[], object]:
    """Change the copy, and return what undoes it."""
    place = package / "semtta" / mutant.file
    text = place.read_text()
    place.write_text(text.replace(mutant.old, mutant.new))
    return lambda: place.write_text(text)


def main(arguments: list[str] | None = None) -> int:
    """Print one line a mutant; 1 if one survives, or cannot be tried."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help="mutants to try; all by default")
    parser.add_argument("--check", action="store_true", help="only look whether the line and the test of each are there")
    options = parser.parse_args(arguments)
    names = options.names
    unknown = set(names) - {mutant.name for mutant in MUTANTS}
    if unknown:
        raise SystemExit(f"Unknown: {', '.join(sorted(unknown))}. Known: {', '.join(m.name for m in MUTANTS)}.")
    chosen = [mutant for mutant in MUTANTS if not names or mutant.name in names]
    gone = list(filter(None, map(wrong, chosen)))
    print(*gone, sep="\n", end="\n" if gone else "")
    if gone or options.check:
        print(f"{len(chosen) - len(gone)} of {len(chosen)} can be tried")
        return int(bool(gone))
    survived = []
    with tempfile.TemporaryDirectory() as folder:
        package = Path(folder)
        shutil.copytree(ROOT / "semtta", package / "semtta", ignore=shutil.ignore_patterns("__pycache__"))
        broken = failed(package, dict.fromkeys(f"{m.place}::{m.test}" for m in chosen))
        if broken is None or broken:
            raise SystemExit(f"Without any mutant these fail: {broken}")
        for mutant in chosen:
            undo = change(mutant, package)
            killed = failed(package, [f"{mutant.place}::{mutant.test}"])
            undo()
            survived += [] if killed else [mutant.name]
            print(f"{mutant.name:34} {f'killed by {killed[0]}' if killed else 'SURVIVED'}", flush=True)
    print(f"{len(chosen) - len(survived)} of {len(chosen)} killed" + (f"; survived: {', '.join(survived)}" if survived else ""))
    return int(bool(survived))


if __name__ == "__main__":
    sys.exit(main())
