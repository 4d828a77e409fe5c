"""ExtractionView: a batch while it runs."""
