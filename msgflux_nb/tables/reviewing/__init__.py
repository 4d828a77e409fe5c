"""Review by a person: which rows first, what was decided, and how sure the result is by now."""
