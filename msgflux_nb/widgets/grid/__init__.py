"""GridView: the answers of several prompts and models side by side."""
