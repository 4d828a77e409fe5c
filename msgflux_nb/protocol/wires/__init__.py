"""The wires other than chat completions: translators of requests, and readers of answers."""
