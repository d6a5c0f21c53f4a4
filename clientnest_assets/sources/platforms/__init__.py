"""Collectors of the five platforms' post and account metrics: one framework, and one short file a platform.

How a platform speaks is declared in its own file by the terms of `spec.py`; everything that all have in common
(tokens, limits, retries, paging, resuming, landing) is in the other modules. The way in is `collecting.Collector`.
"""
