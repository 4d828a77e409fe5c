"""How sure a model is of each field, and how often it is right when it is so sure."""
