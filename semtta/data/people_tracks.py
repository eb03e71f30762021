"""Tracks of keypoints to the people of a video: who is one person, from when to when, and what is said of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch

from ..detectors.runs import Run, join_runs, runs_of
from ..detectors.tracks import box_sides
from ..types import Keypoints2D, Video, frame_times
from .parts import part

#: People of a video at most.
MOST = 10
#: Who is seen for less than so many seconds does not count; in a clip shorter than two, less than half of it.
SHORTEST_S = 1.0
#: Who is first or last seen so near to the ends of a shot (seconds) is in it from its beginning, or to its end.
NEAR_S = 0.25
#: Gaps of at least so many seconds are told of.
TOLD_S = 0.2


def people_in(video: Video, tracks: Sequence[Keypoints2D]) -> list[Video]:
    """Everybody in a video, the largest first: a Video of each, from the first to the last frame that they are seen in.

    Args:
        video: its ``cuts`` and times are looked at; not its frames.
        tracks: of a keypoint file or a detector, [T] each, of one joint set. Where one goes on further away than a person moves,
            or beyond a cut or a gap of ``GAP_S`` seconds, it is somebody else's from there on; short gaps and jumps to and fro
            are bridged.

    Returns:
        At most ``MOST`` videos, their keypoints with confidence 0 in gaps. All of the tracks as they are where none has a
        keypoint, and of a dataset's track, whose truth says that it is one person.
    """
    if video.ground_truth is not None or not any(bool((track.confidence > 0).any()) for track in tracks):
        return [replace(video, keypoints=track, people=len(tracks), person=number) for number, track in enumerate(tracks)]
    times = frame_times(video.num_frames, video.fps, video.times_s).numpy()
    poses = [torch.cat((track.xy, track.confidence[..., None]), -1).detach().cpu().double().numpy() for track in tracks]
    chains = join_runs(runs_of(poses, times, video.cuts), times, video.cuts)
    weights = [sum(box_sides(run.poses).sum() for run in chain) for chain in chains]
    order = sorted(range(len(chains)), key=lambda i: -weights[i])
    least = min(SHORTEST_S, video.num_frames / video.fps / 2) * video.fps - 1e-6  # frames
    long = [i for i in order if sum(len(run.frames) for run in chains[i]) >= least] or order[:1]
    notes = [f"{len(long)} people are seen: the {MOST} largest count."] if len(long) > MOST else []
    long = long[:MOST]
    video = replace(video, people=len(long), messages=(*video.messages, *notes))
    return [_person(video, tracks, chains[i], number, times) for number, i in enumerate(long)]


def _person(video: Video, tracks: Sequence[Keypoints2D], chain: Sequence[Run], number: int, times: np.ndarray) -> Video:
    frames = np.concatenate([run.frames for run in chain])
    points = gathered(tracks, [(run.track, run.frames) for run in chain])
    start, stop = _bounds(frames, times, video.cuts)
    own = part(replace(video, keypoints=points, person=number), start, stop)
    said = _said(video, frames, start, stop, number, times)
    return replace(own, messages=(*own.messages, said)) if said else own


def gathered(tracks: Sequence[Keypoints2D], chosen: Sequence[tuple[int, np.ndarray]]) -> Keypoints2D:
    """One person's keypoints [T] of several tracks: (track, frames) in which they are its; confidence 0 in all others."""
    first = tracks[chosen[0][0]]
    xy, confidence = torch.zeros_like(first.xy), torch.zeros_like(first.confidence)
    landmarks = [tracks[number].landmarks for number, _ in chosen]
    known = [marks for marks in landmarks if marks is not None]
    both = None
    if len(known) == len(chosen):
        both = replace(known[0], xyz=torch.zeros_like(known[0].xyz), confidence=torch.zeros_like(known[0].confidence))
    for (number, frames), marks in zip(chosen, landmarks, strict=True):
        rows = torch.from_numpy(frames)
        xy[rows], confidence[rows] = tracks[number].xy[rows], tracks[number].confidence[rows]
        if both is not None and marks is not None:
            both.xyz[rows], both.confidence[rows] = marks.xyz[rows], marks.confidence[rows]
    return replace(first, xy=xy, confidence=confidence, landmarks=both)


def _bounds(frames: np.ndarray, times: np.ndarray, cuts: Sequence[int]) -> tuple[int, int]:
    """The first frame of a person who is seen in ``frames``, and the one after the last.

    The clip's or the shot's own where these are near: a detector takes a moment to find who is there.
    """
    edges = np.unique([0, *cuts, len(times)])
    start, stop = int(frames[0]), int(frames[-1]) + 1
    shot_start = int(edges[np.searchsorted(edges, start, side="right") - 1])
    shot_stop = int(edges[np.searchsorted(edges, stop, side="left")])
    near_start = times[start] - times[shot_start] < NEAR_S
    near_stop = times[shot_stop - 1] - times[stop - 1] < NEAR_S
    return shot_start if near_start else start, shot_stop if near_stop else stop


def _said(video: Video, frames: np.ndarray, start: int, stop: int, number: int, times: np.ndarray) -> str:
    """One line on the frames that a person's video lacks and the ones that are guessed; empty if there are neither."""
    step, at = 1 / video.fps, times + video.start_s
    parts = []
    if start > 0 or stop < video.num_frames:
        near = [f"{at[cut]:.2f} s" for cut in video.cuts if cut in (start, stop)]
        why = f", between cuts of the picture ({' and '.join(near)})" if near else ""
        parts.append(f"is seen from {at[start]:.2f} to {at[stop - 1] + step:.2f} s only{why}")
    edges = np.flatnonzero(np.diff(frames) > 1)
    gaps = [(frames[i] + 1, frames[i + 1]) for i in edges if times[frames[i + 1]] - times[frames[i] + 1] >= TOLD_S]
    if gaps:
        longest = max(times[b] - times[a] for a, b in gaps)
        places = ", ".join(f"{at[a]:.2f} s" for a, _ in gaps[:3]) + (" ..." if len(gaps) > 3 else "")
        parts.append(f"is hidden for up to {longest:.2f} s (at {places}): guessed there")
    return f"Person {number} {'; '.join(parts)}." if parts else ""
