"""Batches on several machines: the parts of a Dask DataFrame, and the desk that they share."""
