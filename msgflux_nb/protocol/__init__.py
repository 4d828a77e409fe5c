"""The chat-completion protocol as pure functions of values: no I/O, no clock, no threads."""
