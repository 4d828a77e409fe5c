"""Texts that are longer than a context: cut into pieces, read piece by piece, merged into one answer."""
