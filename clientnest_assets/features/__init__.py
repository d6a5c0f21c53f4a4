"""Feature views, how they are computed, and how history is read without ever seeing the future."""
