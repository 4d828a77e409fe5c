"""Tables of other libraries: reads polars and Arrow, and returns results of the same kind."""
