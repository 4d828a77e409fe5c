"""PrefillEditor: write the start of an answer."""
