"""PrefillEditor: the start of an answer."""
