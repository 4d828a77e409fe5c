"""Texts that are longer than a context: cut, read piece by piece, and put together."""
