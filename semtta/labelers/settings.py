"""Settings of the labelers that ask a vision-language model."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from ..registry import Settings


class VLMSettings(Settings):
    """Settings of the labelers that ask a vision-language model (``gpt4o``, ``vlm:MODEL``, ``local:MODEL``)."""

    api_base: str | None = Field(None, description="address of one's own server, such as http://localhost:8000/v1")

    # what is shown
    frames: int = Field(8, ge=1, le=64, description="frames of a segment, evenly spread")
    size_px: int = Field(512, ge=32, le=2048, description="longer side of an image that is sent, at most")
    quality: int = Field(80, ge=1, le=95, description="of the JPEG")
    layout: Literal["frames", "sheet"] = Field("frames", description="an image a frame, or one contact sheet with numbers")
    margin: float = Field(1.5, ge=1, description="side of the crop / side of the person's box")
    mark: Literal["auto", "always", "never"] = Field(
        "auto", description="box around the person; auto: unless the keypoints are of one person only"
    )
    detail: Literal["low", "high", "auto"] = Field("low", description="OpenAI's fidelity of images, which sets their price")

    # what is asked
    prompt: int = Field(1, ge=1, description="version of the prompt templates")
    json_schema: bool = Field(True, description="ask for structured output; models that refuse it are asked without")
    temperature: float = Field(0.0, ge=0, le=2, description="of sampling; 0: the most likely answer")
    max_tokens: int = Field(200, ge=16, description="of an answer")
    dictionary_tokens: int = Field(4000, ge=0, description="a longer dictionary is not sent whole: describe, then choose")
    candidates: int = Field(40, ge=1, description="labels to choose from then")

    # how
    concurrency: int = Field(4, ge=1, le=64, description="requests at a time")
    timeout_s: float = Field(60.0, gt=0, description="for one answer")
    attempts: int = Field(4, ge=1, description="for one answer, after faults that may pass")
    backoff_s: float = Field(1.0, ge=0, description="first pause, doubled each time; Retry-After goes before it")
    max_wait_s: float = Field(60.0, ge=0, description="longest pause")
    budget: float | None = Field(None, ge=0, description="US dollars that a run may cost")
    prices: tuple[float, float] | None = Field(
        None, description="US dollars for a million input and output tokens, of a model that litellm has no price of"
    )
    cache_dir: str | None = Field(None, description="folder of the answers; None: SEMTTA_CACHE or the platform's")

    # verification (Appendix B)
    verify: Literal["auto", "always", "never"] = Field(
        "auto", description="compare label and frames; auto: if CLIP's weights are here"
    )
    clip_model: str = Field("ViT-B-32-quickgelu", description="open_clip's name; the paper does not say which it used")
    clip_weights: str = Field("openai", description="open_clip's tag, or a file")
    clip_threshold: float = Field(0.3, ge=-1, le=1, description="similarity below which a label is asked for again")
