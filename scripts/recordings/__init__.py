"""Scripts that made the recordings of the course: ``python -m scripts.recordings.NAME``, from the project's folder."""
