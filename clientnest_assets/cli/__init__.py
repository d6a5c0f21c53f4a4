"""The `clientnest` command. One file a command; what they share is in `session.py`."""
