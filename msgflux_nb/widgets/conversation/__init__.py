"""MessageBuilder: a conversation as cards."""
