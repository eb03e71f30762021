"""A dataset from end to end, by the command: two tracks are adapted, judged by the protocol, and a damaged one is skipped."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
import torch
from command_line import call
from miniature import threedpw_sequence, write_egobody, write_h36m, write_test_person, write_threedpw

from semtta.estimators import HMR, HMR2, HMR2Config, HMRConfig
from semtta.io.weights import save_weights
from semtta.priors import MotionCLIP, MotionCLIPConfig, MotionDictionary


@pytest.fixture(scope="module")
def weights(tmp_path_factory) -> list[str]:
    """Settings that name tiny networks of the paper's kinds."""
    folder = tmp_path_factory.mktemp("weights")
    torch.manual_seed(0)
    config = HMRConfig(block="basic", depths=(1, 1), widths=(8, 16), stem=8, crop_px=32, hidden=32, dropout=0.5)
    network = HMR(config)
    torch.nn.init.normal_(network.decpose.weight, std=0.01)
    save_weights(folder / "hmr.safetensors", "hmr", network.state_dict(), config=asdict(config))
    exemplars = torch.eye(3).expand(2, 60, 24, 3, 3)
    dictionary = MotionDictionary(("standing", "walking"), torch.nn.functional.normalize(torch.randn(2, 16), dim=-1), exemplars)
    sizes = MotionCLIPConfig(width=16, layers=1, heads=2, feedforward=16, decoder=False)
    MotionCLIP(sizes, dictionary).save(folder / "motionclip.safetensors")
    return [
        "--set", f"estimator.weights={folder / 'hmr.safetensors'}", "--set", f"prior.weights={folder / 'motionclip.safetensors'}",
    ]  # fmt: skip


def write_root(root: Path) -> Path:
    """Tracks of 6 frames, of one frame, and of 6 with an image missing in the middle."""
    single = threedpw_sequence("office_01", "f", 6, campose_valid=[np.array([0, 0, 1, 0, 0, 0])])
    street, yard = threedpw_sequence("street_00", "m", 6), threedpw_sequence("yard_02", "m", 6)
    write_threedpw(root, street_00=street, office_01=single, yard_02=yard)
    (root / "imageFiles" / "yard_02" / "image_00003.jpg").unlink()
    return root


def test_adapt_and_evaluate_a_dataset(monkeypatch, capsys, tmp_path, smpl_store, weights):
    """The command of the paper's setting, with tiny networks and two epochs."""
    root, out = write_root(tmp_path / "3DPW"), tmp_path / "out"
    source = ["--dataset", "3dpw", "--root", root]
    settings = ["--preset", "paper", "--estimator", "hmr", "--body", "smpl", "--prior", "motionclip", *weights]
    settings += ["--device", "cpu", "--set", "epochs=2", "--set", "learning_rate=1e-3"]
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    code, _, err = call(monkeypatch, capsys, "adapt", *source, *settings, "--out", tmp_path / "unlabelled")
    assert code == 2
    assert "The paper labels with GPT-4o: set OPENAI_API_KEY" in err

    settings += ["--labeler", "retrieval"]
    code, text, err = call(monkeypatch, capsys, "adapt", *source, *settings, "--out", out)
    assert code == 0, err
    assert "Protocol 3dpw/cycleadapt: 14 joints of h36m17 (h36m), root Pelvis, annotated ground truth" in text
    assert "Skipped yard_02_0: 1 of 6 images are missing" in text
    assert {path.name for path in out.iterdir()} == {"street_00_0", "office_01_0", "evaluation.json"}
    numbers = json.loads((out / "evaluation.json").read_text())
    assert numbers["protocol"]["name"] == "3dpw/cycleadapt"
    assert list(numbers["skipped"]) == ["yard_02_0"]
    rows = numbers["after"]
    assert (rows["street_00_0"]["frames"], rows["office_01_0"]["frames"]) == (6, 1)
    by_hand = (6 * rows["street_00_0"]["mpjpe"] + rows["office_01_0"]["mpjpe"]) / 7
    assert numbers["totals"]["after"]["mpjpe"] == pytest.approx(by_hand)
    assert numbers["totals"]["after"]["frames"] == 7
    assert {"mpjpe", "pa_mpjpe", "mpvpe"} <= rows["office_01_0"].keys()
    assert rows["street_00_0"]["mpjpe"] != numbers["before"]["street_00_0"]["mpjpe"]
    saved = json.loads((out / "street_00_0" / "metrics.json").read_text())
    assert saved["after"]["mpjpe"] == pytest.approx(rows["street_00_0"]["mpjpe"])  # each run's own file follows the protocol

    code, text, err = call(monkeypatch, capsys, "evaluate", out, *source, "--protocol", "vibe")
    assert code == 0, err
    assert "Protocol 3dpw/vibe" in text
    assert "midhip" in text
    assert call(monkeypatch, capsys, "evaluate", out / "street_00_0", *source)[0] == 0
    code, text, err = call(monkeypatch, capsys, "adapt", *source, *settings, "--out", out, "--resume", "--track", "street_00_0")
    assert code == 0, err  # it is kept as it is
    code, text, err = call(monkeypatch, capsys, "doctor", *source)
    assert code == 0, err
    assert "37" in text
    assert "smpl-female" in text


@pytest.fixture(scope="module")
def hmr2_weights(tmp_path_factory) -> Path:
    """HMR2.0 of small size."""
    torch.manual_seed(0)
    sizes = HMR2Config(width=80, depth=1, backbone_heads=1, crop_px=64, head_width=16, head_depth=1, heads=8, feedforward=16)
    return HMR2(sizes).save(tmp_path_factory.mktemp("hmr2") / "hmr2.safetensors")


@pytest.mark.parametrize(("study", "views"), [("compare", ("methods", "runtime")), ("compare-hmr2", ("methods-hmr2",))])
def test_tables_of_the_paper_by_one_command(monkeypatch, capsys, tmp_path, smpl_store, weights, hmr2_weights, study, views):
    """Tables 1, 5 and 2 on 3DPW in miniature: one track is damaged, the others are in the table beside the paper's numbers."""
    root, out = write_root(tmp_path / "3DPW"), tmp_path / "study"
    networks = weights if study == "compare" else [*weights, "--set", f"estimator.weights={hmr2_weights}"]
    code, text, err = call(
        monkeypatch, capsys, "compare", "--dataset", "3dpw", "--root", root, "--study", study, "--methods",
        "cycleadapt,semantic", "--out", out, *networks, "--set", "labeler=retrieval", "--set", "epochs=1", "--set", "device=cpu",
    )  # fmt: skip
    assert code == 1, err  # a track failed
    assert "yard_02_0" in text + err
    assert "3dpw/cycleadapt" in text
    for view in views:
        table = (out / "tables" / f"{view}.md").read_text()
        assert "semantic" in table
        assert "paper" in table
    runs = [json.loads(path.read_text()) for path in sorted((out / "runs").glob("*/*.json"))]
    assert {run["settings"]["estimator"]["name"] for run in runs if run.get("settings")} == {
        "hmr" if study == "compare" else "hmr2"
    }


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["adapt"], "either video files, or --dataset"),
        (["adapt", "--dataset", "3dwp"], "Did you mean '3dpw'"),
        (["adapt", "--dataset", "3dpw"], "https://virtualhumans.mpi-inf.mpg.de/3DPW"),
        (["adapt", "--dataset", "3dpw", "--root", "ROOT", "--track", "street_00_9"], "Did you mean 'street_00_0'"),
        (["adapt", "--dataset", "3dpw", "--root", "ROOT", "--label", "walking"], "a dataset brings its own"),
        (["adapt", "--dataset", "3dpw", "--root", "ROOT", "--protocol", "coco"], "Unknown protocol 'coco'"),
        (["adapt", "--dataset", "3dpw", "--root", "ROOT", "--body", "smpl"], "https://smpl.is.tue.mpg.de"),
        (["adapt", "--dataset", "3dpw", "--root", "ROOT", "--body", "open", "--estimator", "hmr"], "https://smpl.is.tue.mpg.de"),
        (["dictionary", "build", "ROOT"], "There are no motions"),
        (["dictionary", "build", "ROOT", "--check"], "No weights file"),
        (["synth", "source", "--dataset", "h36m", "--root", "ROOT", "--out", "ROOT"], "vision.imar.ro"),
        (["evaluate", "ROOT", "--dataset", "3dpw", "--root", "ROOT"], "no result of a track of '3dpw'"),
        (["doctor", "--dataset", "folder", "--root", "ROOT", "--protocol", "3dpw/spin"], "not one of the dataset 'folder'"),
        (["evaluate", "ROOT"], "either --dataset NAME --root FOLDER, or --ground-truth"),
        (["doctor", "--dataset", "3dpw", "--root", "nowhere"], "not in nowhere"),
    ],
)
def test_bad_input_gets_one_line(monkeypatch, capsys, tmp_path, arguments, message):
    monkeypatch.setenv("SEMTTA_HOME", str(tmp_path / "nothing"))
    root = write_root(tmp_path / "3DPW") if "ROOT" in arguments else tmp_path
    arguments = [root if item == "ROOT" else item for item in arguments]
    more = ["--out", tmp_path / "out"] if arguments[0] == "adapt" else []
    code, _, err = call(monkeypatch, capsys, *arguments, *more)
    assert code == 2
    assert message in err
    assert len(err.strip().splitlines()) == 1
    assert not (tmp_path / "out").exists()


def test_a_folder_of_clips_as_they_are_written(monkeypatch, capsys, tmp_path, weights):
    """The included clip, once as ``semtta synth clip`` leaves it and once with nothing but a label beside it."""
    from semtta.runs.demo import CLIP

    for name in ("walk.mp4", "keypoints.npz", "ground_truth.npz"):
        (tmp_path / "walk").mkdir(exist_ok=True)
        (tmp_path / "walk" / name).write_bytes((CLIP / name).read_bytes())
    from semtta.datasets import datasets

    dataset = datasets.create("folder", root=tmp_path)
    assert dataset.tracks() == ["walk"]
    video = dataset.load("walk")
    assert video.labels[0].label
    assert len(video.ground_truth.joints) == video.num_frames
    assert video.ground_truth.protocol.name == "folder"
    assert {item.what: item.found for item in dataset.check()}["videos with ground_truth"] == 1
    labels = [{"start": 0, "stop": 30, "label": "walking"}, {"start": 30, "stop": video.num_frames, "label": "standing"}]
    (tmp_path / "walk" / "labels.json").write_text(json.dumps(labels))
    assert [item.label for item in dataset.load("walk").labels] == ["walking", "standing"]
    (tmp_path / "run.mp4").write_bytes((CLIP / "walk.mp4").read_bytes())
    (tmp_path / "run_labels.txt").write_text("running\n")
    assert dataset.tracks() == ["run", "walk"]
    video = dataset.load("run")
    assert (video.labels[0].label, video.keypoints, video.ground_truth) == ("running", None, None)
    (tmp_path / "run.npz").write_bytes((CLIP / "keypoints.npz").read_bytes())
    assert dataset.load("run").keypoints is not None
    (tmp_path / "walk" / "labels.json").write_text(json.dumps([{"start": 0, "stop": 9999, "label": "walking"}]))
    source = ["--dataset", "folder", "--root", tmp_path, "--track", "walk"]
    settings = ["--estimator", "hmr", "--prior", "none", *weights[:2]]
    code, _, err = call(monkeypatch, capsys, "adapt", *source, *settings, "--out", tmp_path / "out")
    assert code == 2
    assert "9999" in err


def write_two_tracks(name: str, root: Path) -> dict[str, str]:
    """Two tracks of a dataset; what has to be set to run them."""
    if name == "3dhp":
        pytest.importorskip("h5py")
        joints = np.random.default_rng(0).uniform((-900, -900, 3000), (900, 900, 5000), (6, 1, 17, 3))
        for person in ("TS1", "TS2"):
            write_test_person(root / person, annot3=joints, annot2=40 * joints[..., :2] / joints[..., 2:] + [40, 30])
        return {"evidence.source": "ground_truth"}  # the release has no detections
    if name == "egobody":
        write_egobody(root, others="test")
    if name == "h36m":
        write_h36m(root, "h36m_valid_protocol1.npz")
    if name == "3dpw":
        write_threedpw(root, street_00=threedpw_sequence("street_00", "mf", 4))
    if name == "folder":
        for clip in ("a", "b"):
            write_short_clip(root / clip)
    return {}


def write_short_clip(folder: Path, frames: int = 6) -> None:
    """The beginning of the included clip, as ``semtta synth clip`` writes one."""
    from semtta import load_video
    from semtta.runs.demo import CLIP
    from semtta.synthesis.clips import write_video

    folder.mkdir(parents=True)
    pictures = [frame for frame, _ in zip(load_video(CLIP / "walk.mp4").frames, range(frames), strict=False)]
    write_video(folder / "walk.mp4", np.stack(pictures), 30)
    for file in ("keypoints.npz", "ground_truth.npz"):
        with np.load(CLIP / file) as data:
            count = max(len(data[key]) for key in data.files if data[key].ndim > 1)
            arrays = {key: data[key][:frames] if data[key].shape[:1] == (count,) else data[key] for key in data.files}
        np.savez(folder / file, **arrays)


@pytest.mark.parametrize("name", ["3dpw", "3dhp", "egobody", "h36m", "folder"])
def test_two_tracks_of_every_dataset(tmp_path, smpl_store, weights, name):
    """Adapted with a tiny network, judged by the usual protocol; each dataset also passes the plug-in's conformance test."""
    from semtta.datasets import datasets
    from semtta.runs.adapt import adapt_dataset
    from semtta.settings import parse_assignments
    from semtta.testing import check_dataset

    root = tmp_path / "root"
    root.mkdir()
    settings = write_two_tracks(name, root)
    dataset = datasets.create(name, root=root, split="test")
    check_dataset(dataset)
    body = "open" if name == "folder" else "smpl"
    settings |= {"estimator": "hmr", "body": body, "prior": "none", "device": "cpu", "epochs": 1}
    settings |= parse_assignments(weights[1:2])
    evaluation = adapt_dataset(dataset, tmp_path / "out", settings=settings)
    assert len(evaluation.after) == 2
    assert not evaluation.skipped
    assert all(0 < row["mpjpe"] < 3000 for row in evaluation.after.values())
    assert evaluation.totals["after"]["frames"] == sum(row["frames"] for row in evaluation.after.values())
    assert evaluation.protocol.line.startswith(f"Protocol {name}")
    assert ("mpvpe" in evaluation.totals["after"]) == (name not in ("3dhp", "h36m"))


def test_a_reader_that_raises_anything_skips_its_track(tmp_path, weights):
    """In the runs and in their evaluation: the type is named, the other track is done."""
    from semtta.datasets import datasets
    from semtta.runs.adapt import adapt_dataset
    from semtta.runs.evaluate import evaluate_dataset
    from semtta.settings import parse_assignments

    for clip in ("a", "b"):
        write_short_clip(tmp_path / "root" / clip)

    class Raises:
        """A dataset one of whose tracks meets what nobody has thought of."""

        def __init__(self, dataset, broken):
            self.dataset, self.broken = dataset, broken

        def __getattr__(self, name):
            return getattr(self.dataset, name)

        def load(self, track):
            if track == self.broken:
                raise np.linalg.LinAlgError("Singular matrix\nand more")
            return self.dataset.load(track)

    dataset = datasets.create("folder", root=tmp_path / "root")
    first, second = dataset.tracks()
    settings = {
        "estimator": "hmr",
        "body": "open",
        "prior": "none",
        "device": "cpu",
        "epochs": 1,
        **parse_assignments(weights[1:2]),
    }
    evaluation = adapt_dataset(Raises(dataset, first), tmp_path / "out", settings=settings)
    assert evaluation.skipped == {first: "LinAlgError: Singular matrix"}
    assert list(evaluation.after) == [second]
    adapt_dataset(dataset, tmp_path / "out", settings=settings, resume=True)
    again = evaluate_dataset(Raises(dataset, second), tmp_path / "out")
    assert again.skipped == {second: "LinAlgError: Singular matrix"}
    assert list(again.after) == [first]


@pytest.mark.parametrize(
    ("missing", "name", "where"), [("estimator", "hmr", "CycleAdapt_RELEASE"), ("prior", "motionclip", "GuyTevet/MotionCLIP")]
)
def test_a_missing_network_is_named(monkeypatch, capsys, tmp_path, smpl_store, weights, missing, name, where):
    """One line: which file, where to get it, under which licence, where to put it; nothing is written."""
    root = write_root(tmp_path / "3DPW")
    given = weights[2:] if missing == "estimator" else weights[:2]
    settings = ["--preset", "paper", "--estimator", "hmr", "--body", "smpl", "--prior", "motionclip", *given]
    code, _, err = call(monkeypatch, capsys, "adapt", "--dataset", "3dpw", "--root", root, *settings, "--out", tmp_path / "out")
    assert code == 2
    assert len(err.strip().splitlines()) == 1
    for part in (where, "licensed (", f"semtta assets import {name}"):
        assert part in err
    assert not (tmp_path / "out").exists()
