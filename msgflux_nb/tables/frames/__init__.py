"""Tables of other libraries: polars and Arrow in, the same kind out."""
