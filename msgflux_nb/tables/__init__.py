"""Values to DataFrames, and batches of texts to typed rows."""
