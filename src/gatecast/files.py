"""Files on disk, written whole or not at all."""

from __future__ import annotations

import os
import secrets
from pathlib import Path


def write_whole(path: Path, content: bytes) -> None:
    """Put `content` at `path` whole or not at all; raises `OSError` and leaves what stood there.

    The folder must exist. A link stays a link: the file it points to is replaced. The file's mode is what the umask
    gives a new file.
    """
    target = path.resolve()
    part = target.with_name(f".gatecast-{secrets.token_hex(8)}.part")  # two writers never share one
    try:
        with part.open("xb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())  # else a power cut could leave an empty file under the name
        os.replace(part, target)
    finally:
        part.unlink(missing_ok=True)
