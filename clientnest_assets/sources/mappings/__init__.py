"""Mappings that come with the project, by the name of what they read. How to write one: docs/importing.md."""
