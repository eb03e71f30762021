"""All registries, by role."""

from __future__ import annotations

from typing import Any

from ..registry import Registry


def registries() -> dict[str, Registry[Any]]:
    """Role -> registry."""
    from ..body import bodies
    from ..datasets import datasets
    from ..denoisers import denoisers
    from ..detectors import detectors
    from ..estimators import estimators
    from ..export import exporters
    from ..generators import generators
    from ..labelers import labelers
    from ..methods import methods
    from ..priors import priors
    from ..updaters import updaters

    found = (estimators, bodies, denoisers, priors, labelers, updaters, generators, detectors, datasets, methods, exporters)
    return {registry.role: registry for registry in found}
