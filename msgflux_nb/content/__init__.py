"""Messages and media: what a user sends to a model."""
