"""The wires other than chat completions: a request on its way out, an answer on its way back."""
