"""The view of plans: what a run does, live, replayed, and kept in the notebook."""
