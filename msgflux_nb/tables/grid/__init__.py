"""Grids: prompts × models over the same inputs, run as one batch."""
