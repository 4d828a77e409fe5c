"""Playground: the widgets wired together."""
