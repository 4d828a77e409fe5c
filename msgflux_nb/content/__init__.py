"""Messages and media: what a person gives to a model."""
