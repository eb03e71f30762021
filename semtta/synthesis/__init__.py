"""Labelled synthetic pictures: a rasteriser, clothes and scenes, training images, clips with ground truth."""
