"""Priors in files: the network's weights together with its motion dictionary and settings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field
from torch import Tensor

from ..io.checkpoints import Checkpointed, config_of
from ..io.forms import checked
from ..registry import Settings
from .base import GlobalRotation
from .dictionary import MotionDictionary

if TYPE_CHECKING:
    from typing import Self

_DICTIONARY = "dictionary."


class SavedSettings(Settings):
    """What a prior's file may say of it beside its sizes."""

    threshold: float = Field(0, ge=-1, le=1)
    floor: float = Field(0, ge=-1, le=1)
    global_rotation: GlobalRotation = "exemplar"
    translation: str = ""


class CheckpointedPrior(Checkpointed):
    """Mixin of a prior whose file holds weights (float16), dictionary, sizes, name and the settings in ``saved_settings``.

    Its ``__init__`` takes the config, the dictionary, and the name and the settings as keywords.
    """

    saved_settings: ClassVar[tuple[str, ...]] = ("threshold", "floor")
    name: str
    dictionary: MotionDictionary | None

    def packed(self) -> dict[str, Tensor]:
        weights = {name: value.half() for name, value in self.state_dict().items()}
        return weights | (self.dictionary.tensors() if self.dictionary else {})

    def unpacked(self, tensors: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        return {name: value for name, value in tensors.items() if not name.startswith(_DICTIONARY)}

    def described(self) -> dict[str, Any]:
        settings = {name: getattr(self, name) for name in self.saved_settings}
        labels = self.dictionary.labels if self.dictionary else ()
        return {**super().described(), "labels": labels, "settings": settings, "name": self.name}

    @classmethod
    def build(cls, tensors: Mapping[str, Tensor], metadata: Mapping[str, Any]) -> Self:
        dictionary = None
        if metadata.get("labels") or any(name.startswith(_DICTIONARY) for name in tensors):
            dictionary = MotionDictionary.from_tensors(tensors, metadata["labels"])
        named = {"name": checked(str, metadata["name"], "name")} if "name" in metadata else {}
        saved = checked(SavedSettings, metadata.get("settings", {}), "settings").model_dump(exclude_unset=True)
        return cls(*cls.configs(metadata["config"]), dictionary, **named, **saved)

    @classmethod
    def configs(cls, sizes: Mapping[str, Any]) -> tuple[Any, ...]:
        """The first arguments of ``__init__``: the config of the sizes in a file."""
        return (config_of(cls.config_type, sizes),)

    def to(self, *args: Any, **kwargs: Any) -> Self:
        """``nn.Module.to``, the dictionary with it."""
        super().to(*args, **kwargs)
        if self.dictionary is not None:
            self.dictionary = self.dictionary.to(next(self.parameters()).device)
        return self
