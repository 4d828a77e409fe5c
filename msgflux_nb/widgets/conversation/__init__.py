"""MessageBuilder: write and edit a conversation as cards."""
