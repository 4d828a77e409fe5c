"""Recordings: their file format, how a request finds its recorded answer, and how secrets are removed."""
