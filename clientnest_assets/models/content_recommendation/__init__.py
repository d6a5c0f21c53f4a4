"""Content recommendation: what a user should post next on a platform."""
