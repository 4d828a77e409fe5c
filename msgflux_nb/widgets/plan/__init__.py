"""PlanView: watch and replay a plan."""
