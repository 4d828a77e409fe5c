"""Review by a person: which rows come first, what was decided, and how sure the result is so far."""
