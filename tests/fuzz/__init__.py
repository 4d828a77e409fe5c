"""Fuzz targets: readers that get random input; ``make fuzz`` runs them for ten minutes, ``make test`` more briefly."""
