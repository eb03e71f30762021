"""The tree of settings, the presets, and where each value comes from."""
