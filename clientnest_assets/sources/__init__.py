"""The ways in: reading each source, and landing what it gives in the lake."""
