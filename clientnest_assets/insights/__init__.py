"""What the platform finds in its data beside predictions, and tells people: one folder a kind of finding."""
