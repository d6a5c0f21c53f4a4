"""The base of what lives for long in the world, users and accounts: columns that grow at the end."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np


@dataclass
class Entities:
    """NumPy columns of one length; an entity's index is its id minus 1."""

    def __len__(self) -> int:
        return len(getattr(self, fields(self)[0].name))

    def extend(self, newcomers: Entities) -> None:
        """Appends the rows of another one of the same kind."""
        for field in fields(self):
            setattr(self, field.name, np.concatenate([getattr(self, field.name), getattr(newcomers, field.name)]))
