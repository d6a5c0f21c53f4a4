# ruff: noqa: RUF001 - look-alike letters are what is tested
"""The guess of a text's language: by script, by function words, and `und` where the text does not tell."""

from __future__ import annotations

import polars as pl
import pytest

from clientnest_assets.features.language import LANGUAGES, with_language


def languages_of(*texts: str | None) -> list[str]:
    rows = pl.LazyFrame({"text": pl.Series(texts, dtype=pl.String)})
    return with_language(rows, "text").collect()["language"].to_list()


TEXTS = {
    "en": "Our big sale starts today, don\u2019t miss it",
    "de": "Wir freuen uns auf euch",
    "fr": "Découvrez notre nouvelle collection",
    "es": "Buenos días a todos",
    "pt": "Descubra a nossa nova coleção",
    "it": "Scopri la nostra nuova collezione",
    "nl": "Ontdek onze nieuwe collectie",
    "sv": "God morgon alla, idag är det rea på allt",
    "da": "Godmorgen, i dag er det ikke svært",
    "pl": "Nasza wielka wyprzedaż zaczyna się dziś",
    "tr": "Büyük indirimimiz bugün başlıyor",
    "id": "Penjualan besar kami dimulai hari ini",
    "vi": "Khuyến mãi lớn bắt đầu hôm nay",
    "el": "Η μεγάλη μας έκπτωση ξεκινά σήμερα",
    "he": "המבצע הגדול שלנו מתחיל היום",
    "ar": "تبدأ تخفيضاتنا الكبرى اليوم",
    "hi": "आज से हमारी बड़ी सेल शुरू",
    "bn": "আজ থেকে আমাদের বড় ছাড় শুরু",
    "ta": "இன்று முதல் எங்கள் பெரிய விற்பனை",
    "th": "เริ่มลดราคาวันนี้",
    "ko": "오늘부터 대규모 세일이 시작됩니다",
    "ja": "今日から大セールが始まります",
    "uk": "Наш великий розпродаж починається сьогодні",
    "ru": "Наша большая распродажа начинается сегодня",
    "zh": "我们的大促销今天开始",
}


@pytest.mark.parametrize(("code", "text"), TEXTS.items(), ids=TEXTS)
def test_a_plain_sentence_of_each_language_is_told(code, text):
    assert languages_of(text) == [code]


def test_every_language_has_a_sentence_here():
    assert {*TEXTS, "und"} == set(LANGUAGES)
    assert len(set(LANGUAGES)) == len(LANGUAGES)


@pytest.mark.parametrize(
    "text", [None, "", "🔥🔥", "123 %", "wow", "Paris 2024", "#the #and", "@you", "https://the.and/with", "you@and.the"]
)
def test_a_text_that_does_not_tell_is_und(text):
    assert languages_of(text) == ["und"]


def test_as_many_words_of_two_languages_is_und():
    assert languages_of("und the") == ["und"]


def test_repeated_neighbouring_words_all_count():
    assert languages_of("the the the und und") == ["en"]


def test_a_foreign_name_does_not_change_the_script_of_most_letters():
    assert languages_of("Сегодня в ClientNest новая распродажа", "Meet our new friend Анна") == ["ru", "en"]
