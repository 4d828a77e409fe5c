"""The embedded model: find it, fetch it, check it, serve it."""
