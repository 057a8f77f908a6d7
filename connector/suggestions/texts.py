"""How alike titles are: TF-IDF over words and over the letters inside them, learned from this workspace's own titles.

Words carry meaning, letters carry endings, compounds and typing mistakes ("deprovisioning", "Rechnungsprüfung").
Nothing is downloaded; in a workspace without a single link the key results' own titles are the texts.
"""

from __future__ import annotations

import re
import threading
import unicodedata
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.feature_extraction.text import TfidfVectorizer

from connector.suggestions import OpenKeyResult
from connector.suggestions.history import Example

Numbers = NDArray[np.float64]

# Trackers allow titles of thousands of letters (Ladder keeps 1,000 of Linear's); what it is about stands at the start.
LONGEST_TITLE = 300
# Titles whose likeness is remembered per model: the sprints that people look at again and again.
REMEMBERED = 2_048
# Titles compared in one go: with hundreds of key results each takes a tenth of a megabyte while it is compared.
AT_ONCE = 256
# Share of the words in a likeness, letters get the rest. In the folds of the tuning less was better than more.
WORDS_SHARE = 0.3
# How many of the most alike examples of a key result speak for it.
NEIGHBOURS = 3
WORD = re.compile(r"[^\W\d_]{2,}")
# Words that say nothing of what a title is about, in the languages that we have seen titles in; without accents.
ENGLISH = (
    "about after again all also an and are as at be because been before but by can cannot do does doesn don down "
    "each every everybody everything for from get gets had has have how if in into is isn it its just let like make "
    "more most must no not nobody of off on once one only or other our out over per she should so some somebody "
    "still than that the their them then there they this those to too two until up us very was we what when where "
    "which while who whom whose why will with within without you your "
)
GERMAN = (
    "aber als am auch auf aus bei das dass dem den der des die ein eine einem einen einer er es fur hat ich im ist "
    "kein mit nach nicht noch nur ob oder sich sie sind uber um und uns vom von vor warum was wenn wer wie wird wir "
    "zu zum zur "
)
SPANISH = (
    "al como con de del donde el en es esta la las lo los mas me mi muy no nos para pero por porque que se si sin "
    "su sus un una y ya "
)
EMPTY_WORDS = frozenset((ENGLISH + GERMAN + SPANISH).split())


@dataclass(frozen=True, slots=True)
class Likeness:
    """Of titles, a row each: to every key result's own text; to every group's examples; which example is the nearest.

    Both likenesses are 0 or more; `nearest` is a place in the list of examples, -1 where a group has none.
    """

    to_texts: Numbers
    to_examples: Numbers
    nearest: NDArray[np.intp]


class TextModel:
    """Compares titles with key results and with the examples of each group."""

    def __init__(
        self, key_results: Sequence[OpenKeyResult], groups: Sequence[str], examples: Sequence[Example]
    ) -> None:
        self._key_results = len(key_results)
        self._groups = [[n for n, one in enumerate(examples) if one.key_result_id == group] for group in groups]
        self._strength = np.array([one.strength for one in examples])
        texts = [f"{one.title} {one.objective}" for one in key_results] + [one.issue.title for one in examples]
        self._views: list[tuple[float, Any, Any]] = []
        for share, vectorizer in ((WORDS_SHARE, _words()), (1 - WORDS_SHARE, _letters())):
            try:
                known = vectorizer.fit_transform([plain(text) for text in texts])
            except ValueError:
                continue  # not a single word in all the texts (emoji, digits): this view has nothing to compare
            self._views.append((share, vectorizer, known.T.tocsr()))
        self._remembered: OrderedDict[str, tuple[Numbers, Numbers, NDArray[np.intp]]] = OrderedDict()
        self._lock = threading.Lock()

    def compare(self, titles: Sequence[str]) -> Likeness:
        """Return the likeness of each title; equal titles are compared once."""
        titles = [title[:LONGEST_TITLE] for title in titles]
        with self._lock:
            found = {title: self._remembered[title] for title in titles if title in self._remembered}
        new = [title for title in dict.fromkeys(titles) if title not in found]
        for start in range(0, len(new), AT_ONCE):
            made = self._compare(new[start : start + AT_ONCE])
            rows = zip(made.to_texts, made.to_examples, made.nearest, strict=True)
            found |= dict(zip(new[start : start + AT_ONCE], rows, strict=True))
        with self._lock:
            self._remembered |= {title: found[title] for title in new}
            while len(self._remembered) > REMEMBERED:
                self._remembered.popitem(last=False)
        return Likeness(*(np.array(column) for column in zip(*(found[title] for title in titles), strict=True)))

    def _compare(self, titles: Sequence[str]) -> Likeness:
        plain_titles = [plain(title) for title in titles]
        alike = np.zeros((len(titles), self._key_results + len(self._strength)))
        for share, vectorizer, known in self._views:
            alike += share * (vectorizer.transform(plain_titles) @ known).toarray()
        to_texts, to_all = alike[:, : self._key_results], alike[:, self._key_results :] * self._strength
        to_examples = np.zeros((len(titles), len(self._groups)))
        nearest = np.full((len(titles), len(self._groups)), -1, dtype=np.intp)
        for column, members in enumerate(self._groups):
            if members:
                block = to_all[:, members]
                nearest[:, column] = np.array(members)[block.argmax(axis=1)]
                # The nearest few together: a single look-alike is often chance, and a crowd of vague ones is not it.
                ordered = -np.sort(-block, axis=1)[:, :NEIGHBOURS]
                to_examples[:, column] = ordered.sum(axis=1)
        return Likeness(to_texts, to_examples, nearest)


def plain(text: str) -> str:
    """Return a title in lower case, without accents, its first letters only."""
    parts = unicodedata.normalize("NFKD", text[:LONGEST_TITLE].casefold())
    return "".join(sign for sign in parts if not unicodedata.combining(sign))


def telling_words(text: str) -> list[str]:
    """Return the words of a plain text that may say what it is about, in order."""
    return [word for word in WORD.findall(text) if word not in EMPTY_WORDS]


def _words() -> TfidfVectorizer:
    return TfidfVectorizer(
        analyzer=_words_and_pairs, lowercase=False, sublinear_tf=True, smooth_idf=True, dtype=np.float64
    )


def _words_and_pairs(text: str) -> list[str]:
    words = telling_words(text)
    return words + [f"{one} {other}" for one, other in pairwise(words)]


def _letters() -> TfidfVectorizer:
    return TfidfVectorizer(analyzer=_letters_inside, lowercase=False, sublinear_tf=True, dtype=np.float64)


def _letters_inside(text: str) -> list[str]:
    """Runs of three to five letters inside the telling words, and at their ends."""
    found: list[str] = []
    for word in telling_words(text):
        edged = f" {word} "
        for length in (3, 4, 5):
            found += [edged[start : start + length] for start in range(max(1, len(edged) - length + 1))]
    return found
