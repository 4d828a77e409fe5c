"""Plans and tools: several calls of a model for one answer."""
