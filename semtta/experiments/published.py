"""The paper's numbers (Lin et al., ICML 2025), for comparison on the paper's datasets.

``PUBLISHED[table][dataset][row][column]``: errors in mm, times in ms per frame, fractions and PCK from 0 to 1. The column of a
single clip is "CLIP/metric".
"""

from __future__ import annotations

Numbers = dict[str, dict[str, float]]

#: The paper's datasets; its numbers are shown only beside results on these.
PAPER_DATASETS = ("3dpw", "3dhp", "egobody")


def _errors(*values: float) -> dict[str, float]:
    return dict(zip(("mpjpe", "pa_mpjpe", "mpvpe"), values, strict=False))


def _strategies(*values: float) -> dict[str, float]:
    places = ("downtown_rampAndStairs/", "downtown_bar/", "")
    return dict(zip([f"{p}{m}" for p in places for m in ("mpjpe", "pa_mpjpe")], values, strict=True))


PUBLISHED: dict[str, dict[str, Numbers]] = {
    # Table 1: HMR pre-trained on Human3.6M
    "methods": {
        "3dpw": {
            "unadapted": _errors(230.3, 123.4, 253.4), "boa": _errors(137.6, 76.2, 171.8), "dynaboa": _errors(135.1, 73.0, 168.2),
            "dapa": _errors(108.0, 67.5, 129.8), "cycleadapt": _errors(87.7, 53.8, 105.7), "semantic": _errors(76.4, 47.2, 94.0),
        },
        "3dhp": {
            "unadapted": _errors(218.5, 119.6), "boa": _errors(135.3, 88.5), "dynaboa": _errors(130.7, 81.8),
            "cycleadapt": _errors(110.3, 74.4), "semantic": _errors(101.3, 65.1),
        },
    },
    # Table 2: HMR2.0
    "methods-hmr2": {
        "egobody": {"unadapted": _errors(118.2, 69.6), "cycleadapt": _errors(108.7, 60.4), "semantic": _errors(104.6, 56.1)},
        "3dpw": {"unadapted": _errors(80.2, 53.3), "cycleadapt": _errors(73.7, 46.8), "semantic": _errors(71.2, 44.3)},
    },
    # Table 3
    "components": {
        "3dpw": {
            "cycleadapt": _errors(87.7, 53.8), "+ alignment": _errors(79.3, 49.6), "+ alignment, EMA": _errors(78.0, 48.7),
            "semantic": _errors(76.4, 47.2),
        },
    },
    # Table 4
    "strategies": {
        "3dpw": {
            "cycleadapt": _strategies(94.5, 60.4, 97.3, 65.0, 87.7, 53.8),
            "discriminator": _strategies(85.7, 52.9, 117.9, 72.2, 115.0, 69.1),
            "unpaired": _strategies(82.3, 50.6, 102.6, 71.7, 88.2, 54.5),
            "semantic": _strategies(77.8, 49.2, 83.8, 58.2, 76.4, 47.2),
        },
    },
    # Table 5
    "runtime": {
        "3dpw": {
            "boa": {"total_ms": 840.3}, "dynaboa": {"total_ms": 1162.8}, "dapa": {"total_ms": 431.0},
            "cycleadapt": {"total_ms": 74.1}, "semantic": {"total_ms": 107.6},
        },
    },
    # Table 6, and the two points of Fig. 4 that the text gives
    "threshold": {
        "3dpw": {
            "sigma 0.55": {"mpjpe": 78.1}, "sigma 0.60": {"mpjpe": 76.9, "pck": 0.53}, "sigma 0.65": {"mpjpe": 77.2},
            "sigma 0.70": {"mpjpe": 77.0}, "sigma 0.75": {"mpjpe": 76.4, "share": 0.36, "pck": 0.58},
            "sigma 0.80": {"mpjpe": 77.2},
        },
    },
    # Table 7: only the segments that the VLM got wrong
    "labels": {"3dpw": {"unadapted": {"mpjpe": 213.8}, "wrong label": {"mpjpe": 92.2}, "semantic": {"mpjpe": 83.7}}},
    # Table 8
    "alpha": {
        "3dpw": {
            "alpha 0.75": {"mpjpe": 78.6}, "alpha 0.80": {"mpjpe": 77.9}, "alpha 0.85": {"mpjpe": 76.8},
            "alpha 0.90": {"mpjpe": 76.4}, "alpha 0.95": {"mpjpe": 77.5},
        },
    },
}  # fmt: skip


def published(table: str | None, dataset: str | None) -> Numbers:
    """The paper's rows of a table on a dataset; empty if it has none."""
    return PUBLISHED.get(table or "", {}).get(dataset or "", {})


def comparability(dataset: str | None) -> str:
    """A sentence on whether results on a dataset are comparable with the paper's."""
    if dataset in PAPER_DATASETS:
        return (
            "Columns 'paper' are the numbers of Lin et al. (ICML 2025); they were obtained with its networks, labels and "
            "keypoints, and are comparable only if the protocol is the same."
        )
    return f"The dataset '{dataset}' is not one of the paper's: these numbers are not comparable with the published ones."
