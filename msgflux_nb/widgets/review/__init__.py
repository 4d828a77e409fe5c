"""ReviewView: decide by keyboard whether rows are right."""
