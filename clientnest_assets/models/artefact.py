"""A trained model as files: a JSON card that says what it is and what it learned, and its trees in LightGBM's own text.

No pickle: all can be read by eye, and loading them runs no code. Where they are kept is the caller's (`store.py`); here
they are bytes by file name.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self

from clientnest_assets.models.errors import ForeignModelError

if TYPE_CHECKING:
    import lightgbm

FORM = "clientnest-model/2"
TREES_SUFFIX = ".txt"
CARD_FILE = "card.json"
_END_OF_TREES = "end of trees"


def fingerprint(trees: Mapping[str, str], learned: Mapping[str, Any]) -> str:
    """SHA-256 of all that was learned: trees alone, and what the card holds of it.

    What follows the trees in LightGBM's text are parameters, the number of threads among them, which does not
    change the trees.

    Raises:
        ForeignModelError: a text has no end of its trees.
    """
    whole = {"trees": {name: _only_trees(name, text) for name, text in trees.items()}, "learned": learned}
    return hashlib.sha256(_canonical(whole).encode()).hexdigest()


@dataclass(frozen=True)
class Artefact:
    """One trained model.

    Attributes:
        card: everything about it that can be said in JSON: `form`, `task`, `fingerprint`, `learned`, and what it tells
            of itself: data versions, features, parameters, metrics.
        trees: LightGBM's texts by name; empty for a model without trees.
    """

    card: Mapping[str, Any]
    trees: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(
        cls, task: str, learned: Mapping[str, Any], trees: Mapping[str, lightgbm.Booster], told: Mapping[str, Any]
    ) -> Self:
        """The artefact of what was learned.

        Args:
            task: the model's name.
            learned: what scoring needs beside the trees, as JSON can say it: vocabularies, effects, calibration.
            trees: boosters by name.
            told: what else its card tells.
        """
        texts = {name: _without_threads(booster.model_to_string()) for name, booster in trees.items()}
        card = {"form": FORM, "task": task, "fingerprint": fingerprint(texts, learned), "learned": learned, **told}
        # As it will be read: what JSON says otherwise (tuples, integer keys) differs from the first day on.
        return cls(json.loads(_canonical(card)), texts)

    @property
    def learned(self) -> Mapping[str, Any]:
        """What was learned beside the trees."""
        learned: Mapping[str, Any] = self.card["learned"]
        return learned

    @property
    def version(self) -> str:
        """Names the model in predictions: its task, and the beginning of its fingerprint."""
        return f"{self.card['task']}-{self.card['fingerprint'][:12]}"

    @cached_property
    def boosters(self) -> dict[str, lightgbm.Booster]:
        """The trees by name, read from their texts.

        Raises:
            ForeignModelError: LightGBM cannot read them.
        """
        import lightgbm

        try:
            return {name: lightgbm.Booster(model_str=text) for name, text in self.trees.items()}
        except lightgbm.basic.LightGBMError as error:
            raise ForeignModelError(f"LightGBM cannot read the model: {error}") from error

    def to_files(self) -> dict[str, bytes]:
        """The card, and a file for each text of trees. The same model gives the same bytes."""
        card = json.dumps(self.card, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False)
        texts = {f"{name}{TREES_SUFFIX}": text.encode() for name, text in self.trees.items()}
        return {**texts, CARD_FILE: (card + "\n").encode()}

    @classmethod
    def from_files(cls, files: Mapping[str, bytes], *, task: str) -> Self:
        """The model, after it has been shown to be the one its card describes.

        Raises:
            ForeignModelError: the card is missing, unreadable or of another task or form, or the trees or what was
                learned are not those the card was written for.
        """
        if CARD_FILE not in files:
            raise ForeignModelError(f"no {CARD_FILE}: not a model's files")
        card = card_of(files[CARD_FILE])
        try:
            texts = {
                name.removesuffix(TREES_SUFFIX): content.decode()
                for name, content in files.items()
                if name.endswith(TREES_SUFFIX)
            }
        except ValueError as error:
            raise ForeignModelError(f"the trees cannot be read, they are no text: {error}") from error
        if card.get("task") != task:
            raise ForeignModelError(f"a model for {card.get('task')!r} cannot stand in for one for {task!r}")
        if fingerprint(texts, card.get("learned", {})) != card.get("fingerprint"):
            raise ForeignModelError("what was learned is not what the card describes: files are damaged or mixed up")
        return cls(card, texts)


def card_of(content: bytes) -> dict[str, Any]:
    """The card that a file holds; that it tells the truth is not looked at.

    Raises:
        ForeignModelError: it is no card, or one of another form.
    """
    try:
        card = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise ForeignModelError(f"{CARD_FILE} cannot be read, it is no JSON: {error}") from error
    if not isinstance(card, dict) or card.get("form") != FORM:
        found = f"of the form {card['form']!r}" if isinstance(card, dict) and "form" in card else "no model's card"
        raise ForeignModelError(f"{CARD_FILE} is {found}; this version of ClientNest reads the form {FORM!r}")
    return card


def _only_trees(name: str, text: str) -> str:
    trees, end, _ = text.partition(_END_OF_TREES)
    if not end:
        raise ForeignModelError(f"{name}: not a whole LightGBM model, its trees have no end")
    return trees


def _without_threads(text: str) -> str:
    """The number of threads is no part of the model, and would make equal files differ."""
    return "\n".join(line for line in text.split("\n") if not line.startswith("[num_threads:"))


def _canonical(value: object) -> str:
    return json.dumps(value, sort_keys=True, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
