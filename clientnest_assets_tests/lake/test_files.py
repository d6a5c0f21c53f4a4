from clientnest_assets.lake import Lake
from clientnest_assets.lake.files import folders, read_files, write_files


def test_files_are_read_as_written_and_replaced_whole(tmp_path):
    lake = Lake(str(tmp_path))
    location = write_files(lake, "models/engagement/2025-01-06", {"model.txt": b"trees", "card.json": b"{}"})
    write_files(lake, "models/engagement/2025-01-06", {"card.json": b'{"version": 2}'})
    write_files(lake, "models/engagement/2025-01-13", {})

    assert location == f"{tmp_path}/models/engagement/2025-01-06"
    assert read_files(lake, "models/engagement/2025-01-06") == {"model.txt": b"trees", "card.json": b'{"version": 2}'}
    assert folders(lake, "models/engagement") == ["2025-01-06", "2025-01-13"]


def test_where_nothing_was_written_there_is_nothing(tmp_path):
    lake = Lake(str(tmp_path))

    assert read_files(lake, "models/none") == {}
    assert folders(lake, "models") == []
