# ruff: noqa: RUF001 - look-alike letters are what tells languages
"""The language of a short text, guessed by rule: by script, and for Latin letters by function words.

What else a text says is in `views/content.py`. No trained model: those that were tried either name a
language for every text, or take a quarter of a millisecond a post.
"""

from __future__ import annotations

from functools import reduce
from typing import Final

import polars as pl

UNDETERMINED: Final = "und"
"""ISO 639-2's code for a language that is not determined."""

_SCRIPTS: Final = {
    "el": r"\p{Greek}",
    "he": r"\p{Hebrew}",
    "ar": r"\p{Arabic}",
    "hi": r"\p{Devanagari}",
    "bn": r"\p{Bengali}",
    "ta": r"\p{Tamil}",
    "th": r"\p{Thai}",
    "ko": r"\p{Hangul}",
    # Japanese mixes Han letters with kana: any kana tells it from Chinese.
    "ja": r"[\p{Hiragana}\p{Katakana}]",
    "uk": r"[іїєґІЇЄҐ]",
    "ru": r"\p{Cyrillic}",
    "zh": r"\p{Han}",
}
"""One language a script, the most written one, in the order of trying. A few letters tell Ukrainian from Russian."""

_WORDS: Final = {
    "en": (
        "the and you your our we us is are was it it's this that these what how who when why which with for from of to "
        "in on at by as be been not don't can will would more most new today week every thank thanks all now get about "
        "i i'm have has my me they their there here out up just like love good morning happy a an if or so but no any only"
    ),
    "de": (
        "der die das den dem des ein eine einen einem einer und oder aber ist sind war nicht kein keine mit für von zu "
        "zum zur im auf bei wir ihr euch uns unser unsere unseren euer eure ich du sie er es was wie wer wann warum "
        "auch noch nur schon heute morgen jetzt mehr neue neuen guten danke alle dass wenn hier"
    ),
    "fr": (
        "le la les l un une des du de d et ou mais est sont était ne pas plus avec pour par dans sur en au aux nous "
        "vous notre nos votre vos je tu il elle on qui que quoi comment quand pourquoi ce cette ces c'est "
        "aujourd'hui nouveau nouvelle bonjour merci tous toutes très chez"
    ),
    "es": (
        "el la los las un una unos unas del de y o pero es son era no más con para por en al nos nuestro nuestra "
        "nuestros nuestras tu tus su sus yo qué que cómo cuando cuándo quién este esta estos hoy mañana nuevo nueva "
        "buenos buenas días gracias muchas todos todas muy se lo ya o si sin ha"
    ),
    "pt": (
        "o a os as um uma uns umas do da dos das de e ou mas é são era não mais com para por em no na nos nas ao nosso "
        "nossa nossos nossas seu sua eu você vocês que como quando quem este esta isso hoje amanhã novo nova bom boa "
        "dia obrigado obrigada todos todas muito se já"
    ),
    "it": (
        "il lo la i gli le un uno una del della dei delle di e o ma è sono era non più con per da in nel nella su al "
        "alla ai nostro nostra nostri nostre tuo tua io tu che come quando chi questo questa oggi domani nuovo nuova "
        "buongiorno grazie mille tutti tutte molto si già"
    ),
    "nl": (
        "de het een en of maar is zijn was niet geen met voor van naar op in bij wij we ons onze jullie je jij ik hij "
        "zij wat hoe wie wanneer waarom ook nog vandaag morgen nu meer nieuwe goedemorgen dank bedankt alle dat deze "
        "dit er hier aan te"
    ),
    "sv": (
        "en ett och eller men är var inte med för från till på i av vi oss vår vårt våra ni du jag han hon vad hur vem "
        "när varför också idag nu mer nya god morgon tack alla att det den som har mycket"
    ),
    "da": (
        "en et og eller men er var ikke med for fra til på i af vi os vores jer jeg du han hun hvad hvordan hvem når "
        "hvorfor også dag nu mere nye godmorgen tak alle at det den som har meget"
    ),
    "pl": (
        "i w z na do nie się jest są był to że jak co kto kiedy dlaczego dla od po przez o nasz nasza nasze nas wasz "
        "ten ta te dziś dzisiaj jutro teraz więcej nowy nowa nowe dzień dobry dziękuję dziękujemy wszystkim bardzo"
    ),
    "tr": (
        "ve bir bu şu o için ile çok daha en ne nasıl kim neden da de mi mı biz siz ben sen bizim sizin bugün yarın "
        "şimdi yeni günaydın herkese teşekkürler teşekkür ederiz her var yok gibi ama değil"
    ),
    "id": (
        "yang dan di ke dari untuk dengan ini itu tidak ada adalah akan kami kita kamu anda saya apa bagaimana siapa "
        "kapan hari besok sekarang baru selamat pagi terima kasih semua sangat lebih juga bisa"
    ),
    "vi": (
        "và của là có không cho với trong được các những một này đó người chúng tôi bạn hôm nay mới cảm ơn rất nhiều "
        "hơn gì như thế nào chào buổi sáng ngày"
    ),
}
"""Words that a language cannot do without, and greetings, which short posts are made of."""

_LETTERS: Final = {
    "de": "ß",
    "es": "ñ¿¡",
    "pt": "ãõ",
    "sv": "å",
    "da": "øæ",
    "pl": "ąćęłńśźż",
    "tr": "ğış",
    "vi": "ạảấầẩẫậắằẵặẹẻẽếềểễệỉịọỏốồổỗộớờởợụủứừửữựđ",
    "fr": "œ",
}
"""Letters and signs that hardly another of these languages has: each counts as a word."""

LANGUAGES: Final = (*_WORDS, *_SCRIPTS, UNDETERMINED)
"""Every value there is, as ISO 639-1 codes, and `und`."""

_ADDRESSED = r"(?i)\bhttps?://\S+|\bwww\.\S+|\S+@\S+|\B[@#]\w+"


def with_language(rows: pl.LazyFrame, text: str) -> pl.LazyFrame:
    """The rows with `language` added: in which each text is most likely written, or `und` where the text does not tell.

    Addresses, mentions and hashtags are no evidence. Most letters in a script other than Latin give the
    language of the script. Among Latin ones the language with the most function words wins, and a tie, or
    none at all, is `und`: short texts say little, and a wrong language is worse than none.

    Args:
        rows: any; columns that begin with two underscores are in the way.
        text: the column to look at; null counts as empty.
    """
    plain, words, most = pl.col("__plain"), pl.col("__words"), pl.col("__most")
    counts = {code: pl.col(f"__{code}") for code in _WORDS}
    is_told = (most > 0) & (pl.sum_horizontal(*(count == most for count in counts.values())) == 1)
    by_words = pl.when(is_told).then(_first({code: count == most for code, count in counts.items()}))
    by_script = _first({code: plain.str.contains(script) for code, script in _SCRIPTS.items()})
    is_latin = plain.str.count_matches(r"\p{Latin}") * 2 >= plain.str.count_matches(r"\p{L}")
    # Step by step: as one expression each count would be made anew wherever it is named.
    return (
        rows.with_columns(pl.col(text).fill_null("").str.replace_all(_ADDRESSED, " ").alias("__plain"))
        .with_columns(_words_apart(plain).alias("__words"))
        .with_columns(_evidence(words, code).alias(f"__{code}") for code in _WORDS)
        .with_columns(pl.max_horizontal(*counts.values()).alias("__most"))
        .with_columns(pl.when(is_latin).then(by_words).otherwise(by_script).fill_null(UNDETERMINED).alias("language"))
        .drop("__plain", "__words", "__most", *(f"__{code}" for code in _WORDS))
    )


def _words_apart(plain: pl.Expr) -> pl.Expr:
    """Words in lower case between two spaces, because the match of one takes the space before and the one behind it."""
    words = plain.str.to_lowercase().str.replace_all("\u2019", "'").str.replace_all(r"[^\p{L}\p{M}'¿¡]+", "  ")
    return pl.concat_str(pl.lit("  "), words, pl.lit("  "))


def _evidence(words: pl.Expr, code: str) -> pl.Expr:
    """How many words, or else letters, speak for a language."""
    letters = f"|[{_LETTERS[code]}]" if code in _LETTERS else ""
    return words.str.count_matches(f" (?:{'|'.join(_WORDS[code].split())}) {letters}")


def _first(conditions: dict[str, pl.Expr]) -> pl.Expr:
    """The first code whose condition holds, or null."""
    return reduce(
        lambda otherwise, each: pl.when(each[1]).then(pl.lit(each[0])).otherwise(otherwise),
        reversed(conditions.items()),
        pl.lit(None, pl.String),
    )
