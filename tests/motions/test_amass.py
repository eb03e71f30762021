"""AMASS and BABEL in miniature, with the keys of the releases."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
import torch

from semtta.errors import SemttaError
from semtta.geometry import axis_angle_to_matrix
from semtta.motions import amass, mocap
from semtta.motions.windows import WindowSampler, all_labels
from semtta.priors import MotionCLIP, MotionCLIPConfig, MotionDictionary
from semtta.priors.text import mirrored_label
from semtta.training.dictionary import (
    attach_dictionary,
    build_dictionary,
    clip_features,
    dictionary_of,
    first_match,
    make_dictionary,
)


def fake_features(labels) -> torch.Tensor:
    return torch.stack([torch.nn.functional.normalize(torch.tensor([1.0, len(x), x.count("a")]), dim=0) for x in labels])


def write_motion(root, name: str, frames: int, rate: float = 60.0, joints: int = 52, **changes) -> None:
    """Joint j of frame t is turned by 0.01 (j + 1) about x, plus t / rate about z for the left elbow; trans moves up (z)."""
    poses = np.zeros((frames, joints, 3))
    poses[:, :, 0] = 0.01 * (np.arange(joints) + 1)
    poses[:, 18] = 0
    poses[:, 18, 2] = np.arange(frames) / rate
    poses[:, 0] = [math.pi / 2, 0, 0]  # upright: AMASS's z is up
    trans = np.zeros((frames, 3))
    trans[:, 2] = np.arange(frames) / rate
    key = "mocap_framerate" if joints == 52 else "mocap_frame_rate"
    arrays = {
        "poses": poses.reshape(frames, -1), "trans": trans, "betas": np.zeros(16), "gender": "female", key: np.float64(rate),
        "dmpls": np.zeros((frames, 8)), **changes,
    }  # fmt: skip
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez(path, **arrays)


def annotation(name: str, seconds: float, frame_labels=(), sequence_labels=("walk",)) -> dict:
    """An item of BABEL's json."""

    def label(text, start=None, stop=None):
        more = {} if start is None else {"start_t": start, "end_t": stop}
        return {"raw_label": text, "proc_label": text, "seg_id": "x", "act_cat": [text], **more}

    frame = {"labels": [label(*item) for item in frame_labels], "mul_act": True} if frame_labels else None
    folder = name.split("/")[0]
    return {
        "babel_sid": 1, "url": "", "feat_p": f"{folder}/{name}", "dur": seconds, "frame_ann": frame,
        "seq_ann": {"labels": [label(text) for text in sequence_labels], "mul_act": False},
    }  # fmt: skip


@pytest.fixture
def folders(tmp_path):
    """240 frames at 60 a second are 4 s, 120 frames here; labels change at 2 s. Others: of the sequence, another rate, SMPL-X."""
    root, babel = tmp_path / "AMASS", tmp_path / "babel"
    items = {
        "1": annotation("CMU/01/01_01_poses.npz", 4, [("walk", 0, 2), ("turn ", 1.9, 3), ("stand", 3, 4)]),
        "2": annotation("KIT/3/jump01_poses.npz", 2.5, (), ("jump", "hop")),
        "3": annotation("ACCAD/s001/raise right hand_poses.npz", 2.5, [("raise right hand", 0, 2.5)]),
        "4": annotation("CMU/01/gone_poses.npz", 3),
        "5": annotation("CMU/02/broken_poses.npz", 3),
    }
    write_motion(root, "CMU/01/01_01_poses.npz", 240)
    write_motion(root, "KIT/3/jump01_poses.npz", 250, 100.0)
    write_motion(root, "ACCAD/s001/raise right hand_stageii.npz", 300, 120.0, joints=55)
    write_motion(root, "CMU/02/broken_poses.npz", 90, trans=np.full((90, 3), np.nan))
    write_motion(root, "CMU/02/unlabelled_poses.npz", 240)
    write_motion(root, "HumanEva/S1/walk_poses.npz", 150)
    babel.mkdir()
    (babel / "train.json").write_text(json.dumps(items))
    (babel / "val.json").write_text(json.dumps({"9": annotation("HumanEva/S1/walk_poses.npz", 2.5)}))
    return root, babel


def test_names_of_both_releases_are_found(tmp_path):
    """BABEL names a data set twice, as the newer and as the older release of AMASS calls it."""
    item = annotation("x/y_poses.npz", 2) | {"feat_p": "BMLrub/BioMotionLab_NTroje/rub001/0000 treadmill_poses.npz"}
    for name in ("train.json", "val.json"):
        (tmp_path / name).write_text(json.dumps({"1": item}))
    for folder in ("BMLrub", "BioMotionLab_NTroje"):
        for file in ("0000 treadmill_poses.npz", "0000_treadmill_stageii.npz"):
            write_motion(tmp_path / folder, f"{folder}/rub001/{file}", 120, joints=52 if "poses" in file else 55)
        assert len(list(amass.read_sequences(tmp_path / folder, amass.read_babel(tmp_path), "train"))) == 2


#: Folder of the SMPL-H release, of the SMPL-X release, and how BABEL's feat_p begins.
RELEASES = [
    ("MPI_HDM05", "HDM05", "MPIHDM05/MPI_HDM05"), ("MPI_mosh", "MoSh", "MPImosh/MPI_mosh"), ("ACCAD", "ACCAD", "ACCAD/ACCAD"),
    ("SSM_synced", "SSM", "SSMsynced/SSM_synced"), ("Transitions_mocap", "Transitions", "Transitionsmocap/Transitions_mocap"),
    ("MPI_Limits", "PosePrior", "MPILimits/MPI_Limits"), ("TCD_handMocap", "TCDHands", "TCDhandMocap/TCD_handMocap"),
    ("DFaust_67", "DFaust", "DFaust67/DFaust_67"),
]  # fmt: skip


@pytest.mark.parametrize("layout", ["smplh", "smplx", "feat_p", "babel names the newer"])
def test_every_annotated_file_is_found_whatever_the_release(tmp_path, layout, caplog):
    """Eight annotated files, of which only those under BABEL's own names were used; nothing is left over."""
    items = {}
    for i, (older, newer, twice) in enumerate(RELEASES):
        files = {
            "smplh": f"{older}/s 1/walk_poses.npz", "smplx": f"{newer}/s 1/walk_stageii.npz",
            "feat_p": f"{twice}/s 1/walk_poses.npz", "babel names the newer": f"{older}/s 1/walk_poses.npz",
        }  # fmt: skip
        write_motion(tmp_path / "AMASS", files[layout], 120, joints=55 if layout == "smplx" else 52)
        start = f"{newer}/{newer}" if layout == "babel names the newer" else twice
        items[str(i)] = annotation("x/y/z_poses.npz", 2) | {"feat_p": f"{start}/s 1/walk_poses.npz"}
    (tmp_path / "train.json").write_text(json.dumps(items))
    (tmp_path / "val.json").write_text("{}")
    counts = amass.pack(tmp_path / "AMASS", tmp_path, tmp_path / "packed")
    assert counts == {"train": 4, "val": 2, "test": 2}
    assert not caplog.messages


def test_what_does_not_meet_is_counted(folders, tmp_path, caplog):
    amass.pack(*folders, tmp_path / "packed")
    told = [message for message in caplog.messages if not message.startswith("Skipped")]
    assert told == [
        "1 of 6 files of AMASS have no annotation in BABEL, such as CMU/02/unlabelled_poses.npz.",
        f"1 of 6 annotations of BABEL have no file in {folders[0]}, such as CMU/CMU/01/gone_poses.npz.",
    ]


def test_the_label_of_a_window_is_all_that_is_done_in_it():
    assert amass.window_label(np.array(["walk", "turn", "walk", ""], dtype=object)) == "turn and walk"
    assert amass.window_label(np.array(["walk"] * 3, dtype=object)) == "walk"
    assert amass.window_label(np.array(["", ""], dtype=object)) == ""


def test_labels_of_frames_are_those_of_babel(folders):
    item = annotation("CMU/01/01_01_poses.npz", 4, [("walk", 0, 2), ("turn ", 1.9, 3), ("stand", 3, 4)])
    labels = amass.babel_frame_labels(item, 240)  # 60 frames a second: 1.9 s is frame 114, where the later label takes over
    assert labels[113] == "walk"
    assert labels[114] == labels[179] == "turn"
    assert labels[180] == labels[239] == "stand"
    assert set(amass.babel_frame_labels(annotation("KIT/3/a_poses.npz", 2, (), ("jump", "hop")), 10)) == {"jump and hop"}


def test_a_sequence_has_y_up_and_thirty_frames_a_second(folders):
    root, _ = folders
    write_motion(root, "CMU/03/exact_poses.npz", 241)  # the last frame is at 4 s
    sequence = amass.read_sequence(root / "CMU" / "03" / "exact_poses.npz", "a", annotation("CMU/03/exact_poses.npz", 4))
    assert len(sequence) == 121
    rotations = axis_angle_to_matrix(torch.from_numpy(sequence.axis_angle).unflatten(-1, (24, 3)))
    torch.testing.assert_close(rotations[:, 0], torch.eye(3).expand(121, 3, 3), atol=1e-5, rtol=0)  # upright
    pose = sequence.axis_angle.reshape(121, 24, 3)
    assert pose[0, 22, 0] == pytest.approx(0.01 * (22 + 1), abs=1e-5)  # left hand: SMPL-H's joint 22
    assert pose[0, 23, 0] == pytest.approx(0.01 * (37 + 1), abs=1e-5)  # right hand: its joint 37
    assert pose[0, 21, 0] == pytest.approx(0.01 * (21 + 1), abs=1e-5)
    assert pose[60, 18, 2] == pytest.approx(2.0, abs=1e-3)  # frame 60 is at 2 s
    np.testing.assert_allclose(sequence.trans[:, 1], np.linspace(0, 4, 121), atol=1e-4)  # up is y
    np.testing.assert_allclose(sequence.trans[:, [0, 2]], 0, atol=1e-6)
    smplx = amass.read_sequence(root / "ACCAD" / "s001" / "raise right hand_stageii.npz", "a", annotation("A/b/c_poses.npz", 2.5))
    hands = smplx.axis_angle.reshape(-1, 24, 3)[0, 22:, 0]
    np.testing.assert_allclose(hands, [0.26, 0.41], atol=1e-5)  # SMPL-X's joints 25 and 40


def test_pack_writes_motions_that_train(folders, tmp_path, caplog):
    root, babel = folders
    assert amass.pack(root, babel, tmp_path / "packed", seed=3) == {"train": 3, "val": 1, "test": 0}
    assert "broken_poses.npz: motion with NaN" in caplog.text
    clips = {clip.clip_id.split("#")[0]: clip for clip in mocap.load(tmp_path / "packed", "train")}
    assert set(clips) == {"CMU/01/01_01_poses.npz", "KIT/3/jump01_poses.npz", "ACCAD/s001/raise right hand_stageii.npz"}
    assert clips["KIT/3/jump01_poses.npz"].content == "jump and hop"
    assert {len(clip) for clip in clips.values()} == {60}
    # the window of 60 of the first 100 frames (3.3 s): which labels it spans follows from where it starts
    clip = clips["CMU/01/01_01_poses.npz"]
    start = int(clip.clip_id.split("#")[1])
    assert 0 <= start <= 40
    names = ["walk"] * (start < 57) + ["turn"] * (start + 59 >= 57) + ["stand"] * (start + 59 >= 90)
    assert clip.content == " and ".join(sorted(names))
    sequence = amass.read_sequence(root / "CMU" / "01" / "01_01_poses.npz", "CMU/01/01_01_poses.npz", annotation("CMU/01/x", 4))
    np.testing.assert_allclose(clip.axis_angle, sequence.axis_angle[start : start + 60], atol=1e-4)
    assert mocap.load(tmp_path / "packed", "val")[0].content == "walk"


def test_windows_depend_on_the_seed_and_on_nothing_else(folders):
    root, babel = folders
    labels = amass.read_babel(babel)
    sequences = list(amass.read_sequences(root, labels, "train"))
    drawn = [[clip.clip_id for item in sequences for clip in amass.draw_windows(item, seed)] for seed in range(8)]
    assert drawn[3] == [clip.clip_id for item in reversed(sequences) for clip in amass.draw_windows(item, 3)][::-1]
    assert len({tuple(ids) for ids in drawn}) > 4


def test_dictionary_has_mirrored_labels_and_reads_back(folders, tmp_path):
    root, babel = folders
    out = tmp_path / "out"
    made = make_dictionary(root, out, babel, seed=3, encode=fake_features)
    assert "raise right hand" in made.labels
    assert "raise left hand" in made.labels  # nobody recorded it: its exemplar is the mirror image
    assert list(made.labels) == sorted(made.labels)
    assert made.exemplars.shape[1:] == (60, 24, 3, 3)
    right, left = (made.exemplar(f"raise {side} hand", 60) for side in ("right", "left"))
    mirrored = torch.diag(torch.tensor([-1.0, 1, 1]))
    torch.testing.assert_close(left[:, 19], mirrored @ right[:, 18] @ mirrored, atol=1e-3, rtol=0)
    read = MotionDictionary.load(out / "dictionary.safetensors")
    assert read.labels == made.labels
    clips = mocap.load(out, "train")
    assert read.motions == made.motions
    for label, count in zip(made.labels, made.motions, strict=True):  # a clip counts once where its mirror image has its label
        assert count == sum(label in (clip.content, mirrored_label(clip.content)) for clip in clips)
    torch.testing.assert_close(read.exemplars, made.exemplars, atol=2e-4, rtol=0)
    torch.testing.assert_close(read.text_features, made.text_features)
    again = make_dictionary(root, tmp_path / "again", babel, seed=3, encode=fake_features)
    assert again.labels == made.labels
    assert torch.equal(again.exemplars, made.exemplars)


def test_training_takes_the_dictionary_that_lies_with_the_motions(folders, tmp_path):
    root, babel = folders
    out = tmp_path / "out"
    made = make_dictionary(root, out, babel, encode=fake_features)
    clips = mocap.load(out, "train")
    data = WindowSampler(clips, all_labels(clips))
    assert torch.equal(dictionary_of(out, data).text_features, made.text_features)
    few = WindowSampler(clips[:1], all_labels(clips[:1]))
    with pytest.raises(SemttaError, match="rebuild it from them"):
        dictionary_of(out, few)


@pytest.mark.parametrize("variant", ["open-cosine", "infill"])
def test_priors_train_on_it(folders, tmp_path, monkeypatch, variant):
    """Two steps, with the dictionary that lies there; the motions have none of the labels that repair is judged on."""
    from semtta.priors import InfillConfig
    from semtta.training import prior as training
    from semtta.training.prior_report import report

    sizes = {"width": 16, "layers": 1, "heads": 2, "feedforward": 16, "text_dim": 3}
    monkeypatch.setattr(training, "OPEN_COSINE_CONFIG", MotionCLIPConfig(**sizes, patch=3))
    monkeypatch.setattr(training, "InfillConfig", lambda: InfillConfig(**sizes))
    made = make_dictionary(*folders[:1], tmp_path / "out", folders[1], encode=fake_features)
    file = tmp_path / "prior.safetensors"
    trained = training.train_prior(tmp_path / "out", file, training.PriorTraining(variant, steps=2, batch=5))
    assert trained.labels == made.labels
    torch.testing.assert_close(trained.dictionary.text_features, made.text_features)
    assert report(file, variant, tmp_path / "out") == {}


def test_dictionary_for_the_published_weights_is_as_recorded(folders, tmp_path):
    root, babel = folders
    amass.pack(root, babel, tmp_path / "packed")
    clips = mocap.load(tmp_path / "packed", "train")
    made = first_match(clips, fake_features)
    assert set(made.labels) == {clip.content for clip in clips}
    assert sum(made.motions) == len(clips)
    recorded = axis_angle_to_matrix(torch.tensor([math.pi / 2, 0, 0]))  # z up, as AMASS has it
    torch.testing.assert_close(made.exemplar("jump and hop", 60)[0, 0], recorded, atol=1e-3, rtol=0)


def test_clips_features_are_taken_in_batches_and_of_unit_length():
    def tower(labels):
        assert len(labels) <= 2
        return torch.tensor([[3.0 * len(label), 4.0 * len(label)] for label in labels])

    torch.testing.assert_close(clip_features(["a", "bb", "ccc"], tower, batch=2), torch.tensor([[0.6, 0.8]] * 3))


def test_published_weights_get_the_dictionary(folders, tmp_path):
    root, babel = folders
    made = make_dictionary(root, tmp_path / "out", babel, kind="motionclip", encode=lambda labels: torch.eye(16)[: len(labels)])
    sizes = MotionCLIPConfig(width=16, layers=1, heads=2, feedforward=16, decoder=False)
    published = MotionCLIP(sizes).save(tmp_path / "published.safetensors")
    prior = MotionCLIP.from_checkpoint(attach_dictionary(published, made, tmp_path))
    assert prior.labels == made.labels
    torch.testing.assert_close(prior.encode_text(list(made.labels)), made.text_features)
    with pytest.raises(SemttaError, match=r"have 3 numbers, .* takes 16"):
        attach_dictionary(published, make_dictionary(root, tmp_path / "out", babel, encode=fake_features), tmp_path)


def test_an_exemplar_is_neither_the_stillest_nor_the_liveliest_window():
    def clip(speed: float) -> mocap.MotionClip:
        pose = np.zeros((60, 72), np.float32)
        pose[:, 3 * 16 + 2] = np.sin(np.arange(60) * 0.2) * speed
        return mocap.MotionClip(f"{speed}", "x", "wave", "", "", pose, np.zeros((60, 3), np.float32))

    clips = [clip(speed) for speed in (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)]
    made = build_dictionary(WindowSampler(clips, ["wave"]), fake_features)
    angle = made.exemplars[0, :, 16, 1, 0].asin().abs().max()
    assert angle.item() == pytest.approx(0.6, abs=0.02)  # the 60 % quantile of six, evenly spread


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda root, babel: (babel / "train.json").unlink(), r"babel.is.tue.mpg.de \(its own licence"),
        (lambda root, babel: (babel / "val.json").write_text('{"1": {"dur": 3}}'), "not a BABEL annotation"),
        (lambda root, babel: (babel / "train.json").write_text("{}"), "No labelled motion"),
    ],
)
def test_bad_input(folders, tmp_path, damage, message):
    damage(*folders)
    with pytest.raises(SemttaError, match=message):
        amass.pack(*folders, tmp_path / "packed")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"poses": np.zeros((240, 66))}, r"expected \[N, 156\]"), ({"mocap_framerate": 0.0}, "expected"),
        ({"poses": np.full((240, 156), np.nan)}, "NaN"),
    ],
)  # fmt: skip
def test_damaged_motions_say_what_is_wrong(tmp_path, changes, message):
    write_motion(tmp_path, "CMU/01/a_poses.npz", 240, **changes)
    with pytest.raises(SemttaError, match=message):
        amass.read_sequence(tmp_path / "CMU" / "01" / "a_poses.npz", "a", annotation("CMU/01/a_poses.npz", 4))
    (tmp_path / "cut.npz").write_bytes((tmp_path / "CMU" / "01" / "a_poses.npz").read_bytes()[:500])
    with pytest.raises(SemttaError, match="damaged"):
        amass.read_sequence(tmp_path / "cut.npz", "a", annotation("CMU/01/a_poses.npz", 4))
    with pytest.raises(SemttaError, match="Did you mean 'motionclip'"):
        make_dictionary(tmp_path, tmp_path, kind="motionclp")
    with pytest.raises(SemttaError, match="give --babel"):
        make_dictionary(tmp_path, tmp_path, kind="motionclip")
