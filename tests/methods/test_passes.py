"""Micro-batches: less memory, the same gradient."""

from __future__ import annotations

import torch
from torch import nn

from semtta.methods.passes import backward_in_pieces


def test_micro_batches_repeat_the_dropout_of_their_first_pass():
    drop = nn.Dropout(0.5)
    weight = torch.ones(6, requires_grad=True)
    inputs = torch.arange(1.0, 25).view(4, 6)

    def forward(x):
        return (drop(x * weight),)

    torch.manual_seed(2)
    (outputs,) = backward_in_pieces(forward, inputs, lambda y: y.sum(), 2)
    # d sum(drop(x w)) / dw = sum of what drop let through, which is the output where w = 1
    torch.testing.assert_close(weight.grad, outputs.sum(0))
