"""ReviewView: rows decided one by one, by keyboard."""
