"""ExtractionView: watch and control a batch."""
