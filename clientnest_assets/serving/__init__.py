"""What people and programs read over HTTP."""
