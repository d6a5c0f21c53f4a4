"""Files from elsewhere: read by a mapping, checked, and landed in the raw tables."""

from clientnest_assets.sources.files.checking import Checked
from clientnest_assets.sources.files.importing import (
    Imported,
    NothingGoodError,
    check_file,
    land_file,
    require_fit,
    source_name,
)
from clientnest_assets.sources.files.loading import load_mapping, packaged_mappings, parse_mapping
from clientnest_assets.sources.files.mapping import Mapping, MappingError
from clientnest_assets.sources.files.reading import FileError, import_name

__all__ = [
    "Checked",
    "FileError",
    "Imported",
    "Mapping",
    "MappingError",
    "NothingGoodError",
    "check_file",
    "import_name",
    "land_file",
    "load_mapping",
    "packaged_mappings",
    "parse_mapping",
    "require_fit",
    "source_name",
]
