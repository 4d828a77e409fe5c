"""Conversations that happen again: their file, how a request finds its answer in it, and what may stand in it."""
