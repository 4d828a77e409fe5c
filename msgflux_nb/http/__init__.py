"""The two HTTP clients: kept libraries behind one small seam."""
