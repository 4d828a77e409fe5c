"""The two HTTP clients, sync and async, behind one small interface."""
