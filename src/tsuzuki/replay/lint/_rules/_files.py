"""TSU007: files, folders and local databases."""

from __future__ import annotations

from typing import Final

from ._forbidden import IN_ACTIVITY, calls, each
from ._rule import Rule

_OS: Final = (
    "open fdopen read write listdir scandir walk fwalk stat lstat access chmod chown link symlink readlink mkdir "
    "makedirs mkfifo remove removedirs unlink rmdir rename renames replace truncate utime chdir statvfs"
)
_OS_PATH: Final = "exists lexists isfile isdir islink ismount getsize getmtime getctime getatime realpath samefile"
_PATH: Final = (
    "open read_text read_bytes write_text write_bytes exists is_file is_dir is_symlink is_mount stat lstat iterdir "
    "glob rglob walk mkdir rmdir unlink rename replace touch chmod resolve samefile symlink_to hardlink_to "
    "readlink owner group absolute expanduser copy move"
)

_CALLS: Final = {
    "builtins.open": IN_ACTIVITY,
    "io.open": IN_ACTIVITY,
    "codecs.open": IN_ACTIVITY,
    **each("os", _OS, IN_ACTIVITY),
    **each("os.path", _OS_PATH, IN_ACTIVITY),
    **each("pathlib.Path", "cwd home", IN_ACTIVITY),
    **each("pathlib.Path()", _PATH, IN_ACTIVITY),
    **each("glob", "glob iglob", IN_ACTIVITY),
    "shutil.*": IN_ACTIVITY,
    "tempfile.*": IN_ACTIVITY,
    "sqlite3.connect": IN_ACTIVITY,
    "aiofiles.open": IN_ACTIVITY,
}

RULE: Final = Rule(
    code="TSU007",
    name="files",
    why=(
        "A file may be gone, or say something else, when the code runs again, perhaps on another machine. "
        "Activities read and write; the workflow gets the result, or (for anything large) a path."
    ),
    bad='text = open("order.txt").read()',
    good="text = await workflow.execute_activity(read_order, start_to_close_timeout=MINUTE)",
    check=calls(_CALLS, "touches the file system, which differs by machine and time"),
    calls=_CALLS,
)
