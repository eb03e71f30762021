"""Vision-language models that run on this machine, through transformers."""

from __future__ import annotations

import hashlib
import io
import threading
from pathlib import Path
from typing import Any

import torch

from ..errors import SemttaError, first_line, missing_extra
from .models import Reply, Request, TransientFault
from .settings import VLMSettings


class LocalModel:
    """An image-text-to-text model of transformers: a folder, or a name that transformers knows. No data leaves the machine."""

    host = ""
    concurrency = 1

    def __init__(self, name: str, settings: VLMSettings, device: str = "cpu") -> None:
        try:
            from transformers import AutoModelForImageTextToText, AutoProcessor
        except ImportError as error:
            raise missing_extra("A local vision-language model", "text", error) from error
        self.name, self.settings = name, settings
        self._lock = threading.Lock()
        looks_like_path = name.startswith((".", "/", "~")) or Path(name).expanduser().is_dir()
        source = str(Path(name).expanduser()) if looks_like_path else name
        if looks_like_path and not (Path(source) / "config.json").is_file():
            raise SemttaError(f"{source} is not a folder of a transformers model (it has no config.json).")
        try:
            self.processor: Any = AutoProcessor.from_pretrained(source)
            dtype = torch.float32 if device == "cpu" else torch.bfloat16
            model: Any = AutoModelForImageTextToText.from_pretrained(source, dtype=dtype)
            self.model = model.to(device).eval()
        except Exception as error:  # transformers and its download libraries raise many kinds
            reason = first_line(error)[:160]
            raise SemttaError(f"'{name}' cannot be loaded as an image-text-to-text model ({reason}).") from error
        self.device = device
        self.identity = f"local {_fingerprint(source)} {settings.max_tokens}"

    @torch.no_grad()
    def ask(self, request: Request) -> Reply:
        """Greedy generation; the schema is stated in the prompt only."""
        from PIL import Image

        with self._lock:
            images = [Image.open(io.BytesIO(image)).convert("RGB") for image in request.images]
            inputs = self.processor(text=self._prompt(request), images=images, return_tensors="pt").to(self.device)
            count = inputs["input_ids"].shape[1]
            try:
                output = self.model.generate(**inputs, max_new_tokens=self.settings.max_tokens, do_sample=False)
            except torch.OutOfMemoryError:
                raise TransientFault("out of memory: send fewer or smaller frames (--set vlm.frames=4)") from None
        text = self.processor.batch_decode(output[:, count:], skip_special_tokens=True)[0]
        return Reply(text, count, output.shape[1] - count)

    def _prompt(self, request: Request) -> str:
        pictures: list[dict[str, str]] = [{"type": "image"} for _ in request.images]
        messages = [
            {"role": "system", "content": [{"type": "text", "text": request.system}]},
            {"role": "user", "content": [*pictures, {"type": "text", "text": request.user}]},
        ]
        return self.processor.apply_chat_template(messages, add_generation_prompt=True)

    def tokens(self, request: Request) -> tuple[int, int]:
        """A rough estimate; local models cost nothing."""
        return (len(request.system) + len(request.user)) // 4 + 256 * len(request.images), self.settings.max_tokens

    def prices(self) -> tuple[float, float]:
        """Free."""
        return 0.0, 0.0


def _fingerprint(source: str) -> str:
    """A hash of a folder's file list; a hub name stands for itself."""
    folder = Path(source)
    if not folder.is_dir():
        return source
    files = sorted((p.name, p.stat().st_size, p.stat().st_mtime_ns) for p in folder.iterdir() if p.is_file())
    return hashlib.sha256(repr(files).encode()).hexdigest()
