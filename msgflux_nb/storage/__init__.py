"""Keeps paid answers on disk: answers by request, and the rows and runs of batches."""
