"""What can be wrong with a model, told apart so that callers can act on it."""

from __future__ import annotations

from clientnest_assets.errors import ClientNestError


class ModelError(ClientNestError):
    """Any failure of training, keeping or using a model."""


class NotEnoughDataError(ModelError):
    """There is too little to learn from. Not a fault: with more data the same call succeeds."""


class LeakingFeatureError(ModelError):
    """A feature tells what is to be predicted: it is made of it, or known because of it."""


class ForeignModelError(ModelError):
    """A file is not the model it is taken for: damaged, of another task, or of another form."""
