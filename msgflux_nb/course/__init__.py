"""The course: lessons with exercises that check themselves, and the recordings that they play."""
