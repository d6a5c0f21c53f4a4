"""Small files of the lake that are no tables: models and their cards. A folder or a bucket, the same calls."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from clientnest_assets.lake.table import Lake

if TYPE_CHECKING:
    from pyarrow.fs import FileInfo, FileSystem


def write_files(lake: Lake, folder: str, contents: Mapping[str, bytes]) -> str:
    """Writes the files in the order given, each whole or not at all; returns the folder's location."""
    system, root = _filesystem(lake)
    system.create_dir(f"{root}/{folder}", recursive=True)
    for name, content in contents.items():
        path = f"{root}/{folder}/{name}"
        fresh = f"{path}.new" if lake.is_local else path
        with system.open_output_stream(fresh) as stream:
            stream.write(content)
        if lake.is_local:
            system.move(fresh, path)
    return f"{lake.root}/{folder}"


def read_files(lake: Lake, folder: str) -> dict[str, bytes]:
    """The files directly in the folder, by name; none if it is not there."""
    system, root = _filesystem(lake)
    return {
        info.base_name: _content(system, info.path) for info in _entries(system, f"{root}/{folder}") if info.is_file
    }


def remove_file(lake: Lake, path: str) -> None:
    """Removes one file."""
    system, root = _filesystem(lake)
    system.delete_file(f"{root}/{path}")


def folders(lake: Lake, folder: str) -> list[str]:
    """The names of the folders directly in the folder, sorted."""
    system, root = _filesystem(lake)
    return sorted(info.base_name for info in _entries(system, f"{root}/{folder}") if not info.is_file)


def _content(system: FileSystem, path: str) -> bytes:
    with system.open_input_stream(path) as stream:
        return bytes(stream.read())


def _entries(system: FileSystem, path: str) -> list[FileInfo]:
    from pyarrow.fs import FileSelector

    return list(system.get_file_info(FileSelector(path, allow_not_found=True)))


def _filesystem(lake: Lake) -> tuple[FileSystem, str]:
    from pyarrow import fs

    if lake.is_local:
        return fs.LocalFileSystem(), lake.root
    options = lake.storage_options
    return (
        fs.S3FileSystem(
            access_key=options.get("AWS_ACCESS_KEY_ID"),
            secret_key=options.get("AWS_SECRET_ACCESS_KEY"),
            session_token=options.get("AWS_SESSION_TOKEN"),
            region=options.get("AWS_REGION"),
            endpoint_override=options.get("AWS_ENDPOINT_URL"),
        ),
        lake.root.removeprefix("s3://"),
    )
