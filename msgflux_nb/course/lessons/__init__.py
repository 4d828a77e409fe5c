"""The lessons, a module each: their exercises, and what each answer is held against."""
