"""Playground: try a model with messages, prefill, structure and tools in one widget."""
