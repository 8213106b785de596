"""Function zips for the emulator: the handler's folder and `onramp` with bytecode, without dependencies.

The emulator runs the functions with this Python and its installed packages, and extracts the zip for each process that
it starts: without bytecode each would compile all modules. `make build` makes the zips that ship.
"""

from __future__ import annotations

import hashlib
import importlib.util
import io
import py_compile
import tempfile
import zipfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import onramp
from onramp.local.errors import DeployError

_NEVER_SHIPPED = {"local", "ops", "__pycache__"}
_EPOCH = (1980, 1, 1, 0, 0, 0)


def package(root: Path, handler: str) -> tuple[str, bytes]:
    """The name and content of a function's zip. The name is a hash of the content."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, path in _members(root, handler):
            source = path.read_bytes()
            archive.writestr(zipfile.ZipInfo(name, _EPOCH), source)
            if path.suffix == ".py":
                bytecode = zipfile.ZipInfo(importlib.util.cache_from_source(name), _EPOCH)
                archive.writestr(bytecode, _bytecode(source, name))
    content = buffer.getvalue()
    return f"{hashlib.sha256(content).hexdigest()}.zip", content


def _members(root: Path, handler: str) -> Iterator[tuple[str, Path]]:
    """The handler `functions.enrich_profile.handler.handler` is in the folder functions/enrich_profile."""
    folder = root.joinpath(*handler.split(".")[:-2])
    if not folder.is_dir():
        raise DeployError(f"The handler {handler} has no folder {folder}.")
    for path in _sources(folder):
        yield path.relative_to(root).as_posix(), path
    package_root = Path(onramp.__file__).parent
    for path in _sources(package_root):
        if path.relative_to(package_root).parts[0] not in _NEVER_SHIPPED:
            yield path.relative_to(package_root.parent).as_posix(), path


@cache
def _bytecode(source: bytes, name: str) -> bytes:
    """Bytecode that Python uses without a look at its source."""
    with tempfile.TemporaryDirectory() as folder:
        module, compiled = Path(folder, "module.py"), Path(folder, "module.pyc")
        module.write_bytes(source)
        unchecked = py_compile.PycInvalidationMode.UNCHECKED_HASH
        py_compile.compile(str(module), str(compiled), name, doraise=True, invalidation_mode=unchecked)
        return compiled.read_bytes()


def _sources(folder: Path) -> Iterator[Path]:
    return (path for path in sorted(folder.rglob("*")) if path.is_file() and "__pycache__" not in path.parts)
