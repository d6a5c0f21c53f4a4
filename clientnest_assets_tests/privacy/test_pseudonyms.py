import hashlib
import hmac

import polars as pl

from clientnest_assets.privacy.pseudonyms import pseudonymise

KEY = b"k" * 32


def test_a_pseudonym_is_the_keyed_hash_of_the_text():
    frame = pl.DataFrame({"email": ["ä@example.com", None, ""], "id": [1, 2, 3]})

    expected = [hmac.new(KEY, text.encode(), hashlib.sha256).hexdigest()[:32] for text in ("ä@example.com", "")]
    found = pseudonymise(frame, ["email"], KEY)
    assert found.get_column("email").to_list() == [expected[0], None, expected[1]]
    assert found.get_column("id").to_list() == [1, 2, 3]
    assert found.schema == frame.schema


def test_the_same_text_has_one_pseudonym_in_every_column_and_batch_and_another_under_another_key():
    frame = pl.DataFrame({"email": ["a", "b", "a"], "handle": ["b", "a", None]})

    found = pseudonymise(frame, ["email", "handle"], KEY)
    first, second, third = found.get_column("email")
    assert first == third != second
    assert found.get_column("handle").to_list() == [second, first, None]
    assert pseudonymise(frame[2:], ["email"], KEY).get_column("email").to_list() == [first]
    assert first not in pseudonymise(frame, ["email"], b"another").get_column("email")


def test_columns_of_nothing_but_null_and_empty_frames_stay():
    frame = pl.DataFrame({"email": [None, None]}, schema={"email": pl.String})

    assert pseudonymise(frame, ["email"], KEY).equals(frame)
    assert pseudonymise(frame.clear(), ["email"], KEY).equals(frame.clear())
