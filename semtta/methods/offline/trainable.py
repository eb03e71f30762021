"""Which weights are adapted, and how the estimator's whole set follows from them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ...errors import SemttaError
from ...estimators import Estimator

_NORMS = (nn.GroupNorm, nn.LayerNorm, nn.modules.batchnorm._BatchNorm)
#: Rank of ``lora`` without a number.
LORA_RANK = 8


@dataclass(frozen=True)
class Trainable:
    """What the optimiser changes, and what stays.

    With LoRA (Hu et al., ICLR 2022) a matrix ``W`` stays and ``B @ A`` is added to it; ``adapted`` holds ``NAME.A`` and
    ``NAME.B``.
    """

    adapted: dict[str, Tensor]  # leaves that require gradients
    frozen: dict[str, Tensor]
    low_rank: tuple[str, ...] = ()

    def weights(self) -> dict[str, Tensor]:
        """Every parameter of the estimator by name; a function of ``adapted``, differentiable."""
        if not self.low_rank:
            return {**self.frozen, **self.adapted}
        changed = {name: self.frozen[name] + self.adapted[f"{name}.B"] @ self.adapted[f"{name}.A"] for name in self.low_rank}
        return {**self.frozen, **changed}


def make_trainable(estimator: Estimator, choice: str, weights: Mapping[str, Tensor] | None = None) -> Trainable:
    """Copies of the estimator's weights (or of other ``weights`` for it), those of ``choice`` to be adapted.

    ``choice``: all; norm (normalisation layers); last (the estimator's ``last``); lora or lora:RANK (linear layers' matrices);
    else a regular expression that is searched for in parameter names. SemttaError if it chooses none.
    """
    weights = {name: value.detach().clone() for name, value in (weights or dict(estimator.named_parameters())).items()}
    kind, _, rank = choice.partition(":")
    if kind == "lora":
        return _low_rank(estimator, weights, rank)
    names = _chosen(estimator, weights, choice)
    if not names:
        known = "all, norm, last, lora[:RANK] or a regular expression of parameter names"
        raise SemttaError(f"loop.trainable={choice}: no weight of estimator '{estimator.name}' is chosen; give {known}.")
    adapted = {name: value.requires_grad_() for name, value in weights.items() if name in names}
    return Trainable(adapted, {name: value for name, value in weights.items() if name not in names})


def _chosen(estimator: Estimator, weights: Mapping[str, Tensor], choice: str) -> set[str]:
    if choice == "all":
        return set(weights)
    if choice == "norm":
        modules = {name for name, module in estimator.named_modules() if isinstance(module, _NORMS)}
        return {name for name in weights if name.rpartition(".")[0] in modules}
    if choice == "last":
        return {name for name in weights if name.startswith(estimator.last)} if estimator.last else set()
    try:
        pattern = re.compile(choice)
    except re.error as error:
        raise SemttaError(f"loop.trainable={choice} is no regular expression ({error}).") from error
    return {name for name in weights if pattern.search(name)}


def _low_rank(estimator: Estimator, weights: dict[str, Tensor], rank: str) -> Trainable:
    if rank and not (rank.isdigit() and int(rank) > 0):
        raise SemttaError(f"loop.trainable=lora:{rank}: the rank must be a whole number above 0.")
    count = int(rank or LORA_RANK)
    linear = [f"{name}.weight" for name, module in estimator.named_modules() if isinstance(module, nn.Linear)]
    if not linear:
        raise SemttaError(f"loop.trainable=lora: estimator '{estimator.name}' has no linear layer.")
    adapted: dict[str, Tensor] = {}
    for name in linear:
        outputs, inputs = weights[name].shape
        down = torch.randn(count, inputs, generator=torch.Generator().manual_seed(0)) / inputs**0.5
        adapted[f"{name}.A"] = down.to(weights[name]).requires_grad_()
        adapted[f"{name}.B"] = weights[name].new_zeros(outputs, count).requires_grad_()
    return Trainable(adapted, weights, tuple(linear))
