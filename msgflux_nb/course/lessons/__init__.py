"""The lessons, one module each: their exercises and the checks of answers."""
