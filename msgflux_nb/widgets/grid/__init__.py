"""GridView: compare the answers of several prompts and models."""
