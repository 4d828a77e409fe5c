"""A batch beyond one machine: the parts of a Dask DataFrame, and the desk that they share."""
