"""Settings of the labelers that ask a vision-language model."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from ..registry import Settings

Price = Annotated[float, Field(ge=0, le=1e6)]


class VLMSettings(Settings):
    """Settings of the labelers that ask a vision-language model (``gpt4o``, ``vlm:MODEL``, ``local:MODEL``)."""

    api_base: str | None = Field(None, description="address of your own server, such as http://localhost:8000/v1")

    # images
    frames: int = Field(8, ge=1, le=64, description="frames of a segment, evenly spread")
    size_px: int = Field(512, ge=32, le=2048, description="longest side of the images sent")
    quality: int = Field(80, ge=1, le=95, description="JPEG quality")
    layout: Literal["frames", "sheet"] = Field("frames", description="one image per frame, or one numbered contact sheet")
    margin: float = Field(1.5, ge=1, le=20, description="ratio of the crop's side to that of the person's box")
    mark: Literal["auto", "always", "never"] = Field(
        "auto", description="draw a box around the person; auto: unless the keypoints are of one person only"
    )
    detail: Literal["low", "high", "auto"] = Field("low", description="OpenAI's image fidelity, which determines the price")

    # prompt
    prompt: int = Field(1, ge=1, le=1000, description="version of the prompt templates")
    json_schema: bool = Field(True, description="request structured output; models that reject it are asked without")
    temperature: float = Field(0.0, ge=0, le=2, description="sampling temperature; 0: the most likely answer")
    max_tokens: int = Field(200, ge=16, le=1_000_000, description="largest number of tokens in an answer")
    dictionary_tokens: int = Field(
        4000, ge=0, le=10_000_000, description="longer dictionaries take two steps: describe, then choose among candidates"
    )
    candidates: int = Field(40, ge=1, le=10_000, description="number of labels to choose from in the second step")

    # requests
    concurrency: int = Field(4, ge=1, le=64, description="simultaneous requests")
    timeout_s: float = Field(60.0, gt=0, le=86_400, description="time limit of one request and its whole answer")
    attempts: int = Field(4, ge=1, le=100, description="attempts per answer, after transient faults")
    backoff_s: float = Field(
        1.0, ge=0, le=3600, description="first pause, doubled each time; a server's Retry-After takes precedence"
    )
    max_wait_s: float = Field(60.0, ge=0, le=86_400, description="longest pause")
    budget: float | None = Field(None, ge=0, le=1e6, description="largest cost of a run, US dollars")
    prices: tuple[Price, Price] | None = Field(
        None, description="US dollars per million input and output tokens, for models without a price in litellm"
    )
    cache_dir: str | None = Field(None, description="folder of cached answers; None: SEMTTA_CACHE or the platform's")

    # verification (Appendix B)
    verify: Literal["auto", "always", "never"] = Field(
        "auto", description="verify labels with CLIP; auto: if its weights are installed"
    )
    clip_model: str = Field("ViT-B-32-quickgelu", description="open_clip model name; the paper does not specify it")
    clip_weights: str = Field("openai", description="open_clip pretrained tag, or a file")
    clip_threshold: float = Field(0.3, ge=-1, le=1, description="CLIP similarity below which a label is requested again")
