"""Scripts that made the course's recordings: run ``python -m scripts.recordings.NAME`` in the project's folder."""
