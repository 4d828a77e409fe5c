"""The embedded model: finds, fetches, checks and serves it."""
