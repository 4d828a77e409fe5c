"""Values as safe HTML and plain text; knows no widget and no page."""
