"""Review by a person: the order of rows, the decisions, and the estimated accuracy so far."""
