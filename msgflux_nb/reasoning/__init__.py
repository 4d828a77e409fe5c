"""Several calls of a model for one answer."""
