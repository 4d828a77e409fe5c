"""Grids: prompts × models over the same inputs, as one batch."""
