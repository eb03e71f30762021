"""The stages of ``semtta.adapt`` between a video and a method."""
