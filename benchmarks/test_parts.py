"""Small pieces of every epoch and of every evaluation."""

from __future__ import annotations

import torch

from semtta.body import load
from semtta.metrics import pa_mpjpe


def test_joints_only_body(benchmark):
    body = load("open")
    rotations = torch.eye(3).expand(240, 24, 3, 3).clone().requires_grad_()
    betas = torch.zeros(240, 10)
    benchmark(lambda: body.keypoints(rotations, betas, "smpl29").sum().backward())


def test_full_vertices(benchmark):
    body = load("open")
    rotations, betas = torch.eye(3).expand(60, 24, 3, 3).clone(), torch.zeros(60, 10)
    benchmark(lambda: body.vertices(rotations, betas))


def test_procrustes(benchmark):
    joints = torch.randn(1000, 24, 3)
    benchmark(lambda: pa_mpjpe(joints, joints.flip(0)))
