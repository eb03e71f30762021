"""A tiny vision-language model of transformers with random weights, saved to disk and run for real."""

from __future__ import annotations

import pytest
import torch

from semtta.errors import SemttaError
from semtta.labelers import labelers
from semtta.labelers.local import LocalModel

pytest.importorskip("transformers")
from vlm_clips import FAST, clip, context, settings, spans

TEMPLATE = (
    "{% for m in messages %}{% for p in m['content'] %}{% if p['type'] == 'image' %}<image>{% else %}{{ p['text'] }}{% endif %}"
    "{% endfor %}\n{% endfor %}"
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """LLaVA's architecture: a CLIP tower and a Llama of two layers, a byte tokenizer; random weights, seed 0."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import (
        CLIPImageProcessor,
        CLIPVisionConfig,
        LlamaConfig,
        LlavaConfig,
        LlavaForConditionalGeneration,
        LlavaProcessor,
        PreTrainedTokenizerFast,
    )  # fmt: skip

    place = tmp_path_factory.mktemp("tiny-vlm")
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {letter: i for i, letter in enumerate(["<pad>", "<s>", "</s>", *letters])}
    raw = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    raw.pre_tokenizer, raw.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=raw, bos_token="<s>", eos_token="</s>", pad_token="<pad>", additional_special_tokens=["<image>"]
    )
    vision = CLIPVisionConfig(
        hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=2, image_size=32, patch_size=16
    )
    text = LlamaConfig(
        vocab_size=len(tokenizer), hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=2,
        max_position_embeddings=8192, pad_token_id=0, bos_token_id=1, eos_token_id=2,
    )  # fmt: skip
    image_id = tokenizer.convert_tokens_to_ids("<image>")
    torch.manual_seed(0)
    model = LlavaForConditionalGeneration(
        LlavaConfig(vision_config=vision, text_config=text, image_token_id=image_id, image_seq_length=4)
    )
    size = {"height": 32, "width": 32}
    images = CLIPImageProcessor(size=size, crop_size=size, do_center_crop=False)
    processor = LlavaProcessor(
        images, tokenizer, patch_size=16, vision_feature_select_strategy="default", chat_template=TEMPLATE,
        num_additional_image_tokens=1,
    )  # fmt: skip
    model.save_pretrained(place)
    processor.save_pretrained(place)
    return place


def test_a_local_model_is_asked_and_its_answers_are_kept(folder, tmp_path, monkeypatch):
    """Random weights give no JSON: the segment is unlabelled, with the reason, after the attempts; then from the cache."""
    chosen = settings("", tmp_path, max_tokens=16, attempts=2)
    video = clip(["walking"])
    labeler = labelers.create(f"local:{folder}", chosen)
    (found,) = labeler.label(video, spans(video), context())
    assert found.label is None
    assert "not as asked for" in found.reason or "empty" in found.reason
    assert labeler.usage.cost == 0
    assert labeler.usage.requests == 2

    monkeypatch.setattr(LocalModel, "ask", lambda self, request: pytest.fail("asked again"))
    again = labelers.create(f"local:{folder}", chosen)
    assert again.label(video, spans(video), context()) == [found]


def test_the_pictures_matter(folder):
    from semtta.labelers.frames import encode, sample_span_frames
    from semtta.labelers.prompts import Prompts

    model = LocalModel(str(folder), FAST.model_copy(update={"max_tokens": 24}))
    video = clip(["walking", "jumping"])
    requests = [
        Prompts(FAST, False).describe(frames, encode(frames, FAST, False))
        for frames in sample_span_frames(video, spans(video), FAST)
    ]
    replies = [model.ask(request) for request in (*requests, requests[0])]
    assert replies[0] == replies[2]
    assert replies[0].text != replies[1].text
    assert replies[0].input_tokens == replies[1].input_tokens > 100


def test_an_answer_of_the_model_becomes_a_label(folder, tmp_path, monkeypatch):
    """Only the generated tokens are replaced: processor, prompt and decoding are the real ones."""
    from transformers import LlavaForConditionalGeneration

    model = LocalModel(str(folder), FAST)
    said = model.processor.tokenizer('{"description": "A person walks.", "label": "walking"}', return_tensors="pt").input_ids

    def generate(self, input_ids, **options):
        assert options["pixel_values"].shape == (2, 3, 32, 32)
        return torch.cat((input_ids, said), 1)

    monkeypatch.setattr(LlavaForConditionalGeneration, "generate", generate)
    video = clip(["walking"])
    (found,) = labelers.create(f"local:{folder}", settings("", tmp_path)).label(video, spans(video), context())
    assert (found.label, found.description) == ("walking", "A person walks.")


def test_what_is_no_model(tmp_path):
    video = clip(["walking"])
    with pytest.raises(SemttaError, match=r"no config\.json"):
        labelers.create(f"local:{tmp_path}", settings("", tmp_path)).label(video, spans(video), context())
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(SemttaError, match="cannot be loaded"):
        labelers.create(f"local:{tmp_path}", settings("", tmp_path)).label(video, spans(video), context())
