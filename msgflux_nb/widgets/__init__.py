"""Views in a notebook, over the rooms above."""
