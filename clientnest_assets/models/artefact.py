"""A trained model as two files: LightGBM's own text, and a JSON card that says what it is.

No pickle: both files can be read by eye, and loading them runs no code. Where they are kept (a folder,
the lake) is the caller's; here they are bytes by file name.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clientnest_assets.models.encoding import Encoder
from clientnest_assets.models.errors import ForeignModelError

if TYPE_CHECKING:
    import lightgbm

FORM = "clientnest-model/1"
MODEL_FILE = "model.txt"
CARD_FILE = "card.json"
_END_OF_TREES = "end of trees"


def fingerprint(model_text: str) -> str:
    """SHA-256 of the trees alone.

    What follows them in the file are parameters, the number of threads among them, which does not
    change the trees.
    """
    trees, end, _ = model_text.partition(_END_OF_TREES)
    if not end:
        raise ForeignModelError("not a whole LightGBM model: its trees have no end")
    return hashlib.sha256(trees.encode()).hexdigest()


@dataclass(frozen=True)
class Artefact:
    """One trained model. The card holds everything about it that can be said in JSON."""

    model_text: str
    card: Mapping[str, Any]

    @property
    def version(self) -> str:
        """Names the model in predictions: its task, and the beginning of its fingerprint."""
        return f"{self.card['task']}-{self.card['fingerprint'][:12]}"

    @cached_property
    def booster(self) -> lightgbm.Booster:
        """The trees, read from the text.

        Raises:
            ForeignModelError: LightGBM cannot read them.
        """
        import lightgbm

        try:
            return lightgbm.Booster(model_str=self.model_text)
        except lightgbm.basic.LightGBMError as error:
            raise ForeignModelError(f"LightGBM cannot read the model: {error}") from error

    @cached_property
    def encoder(self) -> Encoder:
        """The vocabulary the trees were trained with."""
        return Encoder.from_json(self.card["encoder"])

    def to_files(self) -> dict[str, bytes]:
        """The two files. The same model gives the same bytes."""
        card = json.dumps(self.card, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False)
        return {MODEL_FILE: self.model_text.encode(), CARD_FILE: (card + "\n").encode()}

    @classmethod
    def from_files(cls, files: Mapping[str, bytes], *, task: str) -> Artefact:
        """The model, after it has been shown to be the one its card describes.

        Raises:
            ForeignModelError: a file is missing or unreadable, the card is of another task or form, or
                the trees are not those the card was written for.
        """
        if absent := {MODEL_FILE, CARD_FILE} - files.keys():
            raise ForeignModelError(f"no {' and no '.join(sorted(absent))}: not a model's files")
        try:
            card = json.loads(files[CARD_FILE])
            text = files[MODEL_FILE].decode()
        except ValueError as error:
            raise ForeignModelError(f"the files cannot be read: {error}") from error
        if not isinstance(card, dict) or card.get("form") != FORM:
            raise ForeignModelError(f"the card is not of the form {FORM}")
        if card.get("task") != task:
            raise ForeignModelError(f"a model for {card.get('task')!r} cannot stand in for one for {task!r}")
        if fingerprint(text) != card.get("fingerprint"):
            raise ForeignModelError("the trees are not those the card describes: the files are damaged or mixed up")
        return cls(text, card)

    def write(self, folder: Path) -> None:
        """Writes both files into a folder, which is made."""
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in self.to_files().items():
            (folder / name).write_bytes(content)

    @classmethod
    def read(cls, folder: Path, *, task: str) -> Artefact:
        """Reads a folder that `write` made. Errors as in `from_files`."""
        files = {name: (folder / name).read_bytes() for name in (MODEL_FILE, CARD_FILE) if (folder / name).exists()}
        return cls.from_files(files, task=task)
