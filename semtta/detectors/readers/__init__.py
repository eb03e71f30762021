"""Readers of keypoint files, one module per program or format; ``semtta.detectors.load`` tries them all."""
