"""Similarity of the labeler ``retrieval``'s right and wrong labels, on the clips of synthwild's val part.

    python scripts/retrieval_floor.py [--split val] [VIDEO KEYPOINTS LABEL]...

Every window of 60 frames (a new one each 5 frames) is labelled twice: with the whole dictionary, and with the true label and the
labels that share a word with it left out, which stands for an action that the dictionary does not have. Printed are the quantiles
of the best similarity, and for every floor the share of right labels that it keeps and of wrong ones that it drops.
"""

from __future__ import annotations

import argparse

import torch

from semtta import load_video
from semtta.api import frame_inputs
from semtta.build import build_estimator, build_prior, resolve
from semtta.datasets import datasets
from semtta.methods.passes import predict
from semtta.pipeline.labels import suggest_from
from semtta.pipeline.locate import locate
from semtta.priors.text import normalised_label

FRAMES, STEP = 60, 5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--split", default="val")
    parser.add_argument("clips", nargs="*", help="VIDEO KEYPOINTS LABEL of other clips")
    given = parser.parse_args()
    config = resolve().config
    estimator, prior = build_estimator(config), build_prior(config)
    dataset = datasets.create("synthwild", split=given.split)
    clips = [(dataset.load(track), dataset.load(track).labels[0].label) for track in dataset.tracks()]
    clips += [
        (load_video(video, keypoints=points), label)
        for video, points, label in zip(given.clips[::3], given.clips[1::3], given.clips[2::3], strict=True)
    ]
    right, wrong, absent = [], [], []
    for video, true in clips:
        video = locate(video, config, 1.2)
        inputs = frame_inputs(video, estimator, config)
        before = predict(estimator, dict(estimator.named_parameters()), inputs, config.loop.micro_batch)
        suggest = suggest_from(before, prior, video.fps)
        words = set(normalised_label(true).split())
        for start in range(0, max(1, video.num_frames - FRAMES + 1), STEP):
            ranked = suggest(start, min(start + FRAMES, video.num_frames))
            (right if ranked[0][0] == true else wrong).append(ranked[0][1])
            others = [pair for pair in ranked if not words & set(normalised_label(pair[0]).split())]
            absent.append(others[0][1])
            print(f"{video.name} {start}: {ranked[0][0]} {ranked[0][1]:.2f}; without: {others[0][0]} {others[0][1]:.2f}")
    for name, values in (("right", right), ("wrong", wrong), ("action not in the dictionary", absent)):
        if values:
            marks = torch.tensor(values).quantile(torch.tensor([0.0, 0.1, 0.5, 0.9, 1.0])).tolist()
            print(f"{name}: {len(values)} windows, similarity (0, 10, 50, 90, 100 %) {' '.join(f'{v:.2f}' for v in marks)}")
    for i in range(20):
        floor = 0.05 * i
        kept = [sum(v >= floor for v in values) / max(1, len(values)) for values in (right, wrong, absent)]
        print(f"floor {floor:.2f}: keeps {kept[0]:.0%} of the right, {kept[1]:.0%} of the wrong, {kept[2]:.0%} of the unknown")


if __name__ == "__main__":
    main()
