"""Hashtags: which ones to add to a draft, by what they add to engagement."""
