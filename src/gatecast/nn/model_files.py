"""Model folders and checkpoints: numbers and plain text only, checksummed, written whole or not at all.

A model folder holds `model.json` and the `weights-<hash>.safetensors` it names. Format 2; a folder of format 1 is read
as format 2 (`_upgraded`).
"""

from __future__ import annotations

import hashlib
import json
import re
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from gatecast.errors import ModelError, TrainingError
from gatecast.files import write_whole as atomic_write

MODEL_FORMAT = 2
_MODEL_FILE = "model.json"
_WEIGHTS_NAME = re.compile(r"weights-[0-9a-f]{16}\.safetensors")
_MAX_JSON = 64 * 2**20  # bytes; a description of 10,000 items takes some 2 MB


def write_state(path: Path, tensors: Mapping[str, Tensor], document: Mapping[str, Any]) -> None:
    """One file with tensors and a JSON document, for a training that may be cut off; raises `OSError`."""
    text = _canonical(document)
    body = save(dict(tensors), metadata={"document": text})
    path.parent.mkdir(parents=True, exist_ok=True)
    atomic_write(path, hashlib.sha256(body).digest() + body)


def read_state(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """What `write_state` wrote; raises `ModelError` where it is damaged or foreign."""
    content = _read(path)
    digest, body = content[:32], content[32:]
    if hashlib.sha256(body).digest() != digest:
        raise ModelError(
            f"a checkpoint must be whole; '{path}' is damaged or no checkpoint. Train without resume=True."
        )
    size = struct.unpack("<Q", body[:8])[0]
    document = json.loads(json.loads(body[8 : 8 + size])["__metadata__"]["document"])
    return load(body), document


def save_model(folder: Path, tensors: Mapping[str, Tensor], document: Mapping[str, Any]) -> None:
    """Write a model folder: `weights-*.safetensors`, then `model.json`, which names them. The last good pair stays.

    Raises `TrainingError` with one line where the disk refuses, or where a `model.json` of another program stands.
    """
    check_target(folder)
    body = save({name: tensor.contiguous().cpu() for name, tensor in tensors.items()})
    digest = hashlib.sha256(body).hexdigest()
    name = f"weights-{digest[:16]}.safetensors"
    content = {"format": MODEL_FORMAT, "weights": name, "weights_sha256": digest, **document}
    sealed = {"sha256": hashlib.sha256(_canonical(content).encode()).hexdigest(), **content}
    try:
        atomic_write(folder / name, body)
        atomic_write(folder / _MODEL_FILE, (json.dumps(sealed, indent=1, sort_keys=True) + "\n").encode())
    except OSError as error:
        raise _refused(folder, error) from None
    for other in folder.iterdir():
        if _WEIGHTS_NAME.fullmatch(other.name) and other.name != name:
            other.unlink(missing_ok=True)


def check_target(folder: Path) -> None:
    """Whether a model can be saved here, known before the training; makes the folder. Raises `TrainingError`."""
    path = folder / _MODEL_FILE
    try:
        folder.mkdir(parents=True, exist_ok=True)
        atomic_write(folder / ".gatecast-probe", b"")
        (folder / ".gatecast-probe").unlink()
        ours = not path.exists() or b'"weights_sha256"' in path.read_bytes()
    except OSError as error:
        raise _refused(folder, error) from None
    if not ours:
        raise TrainingError(
            f"a model's folder holds no other program's {_MODEL_FILE}; '{path}' is no gatecast model. Choose another "
            "folder."
        )


def _refused(folder: Path, error: OSError) -> TrainingError:
    unchanged = "The model that stood there is unchanged. " if (folder / _MODEL_FILE).is_file() else ""
    return TrainingError(
        f"a model is saved whole or not at all; '{folder}' cannot be written ({error.strerror}). {unchanged}Free some "
        "space or choose another folder."
    )


def load_model(folder: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Tensors and document of a model folder, checksums verified; raises `ModelError` with one line."""
    path = folder / _MODEL_FILE
    if folder.is_file():
        raise ModelError(f"a model is a folder; '{folder}' is a file. Name the folder that holds {_MODEL_FILE}.")
    if not path.is_file():
        raise ModelError(f"a model folder holds {_MODEL_FILE}; '{folder}' does not. Save a model there first.")
    if path.stat().st_size > _MAX_JSON:
        raise ModelError(f"{_MODEL_FILE} must be under 64 MiB; '{path}' is larger. It is no gatecast model.")
    try:
        document = json.loads(_read(path))
        unchanged = document.pop("sha256") == hashlib.sha256(_canonical(document).encode()).hexdigest()
        version, name, digest = document["format"], document["weights"], document["weights_sha256"]
    except (ValueError, KeyError, AttributeError, TypeError, RecursionError):
        raise ModelError(f"'{path}' is damaged or no gatecast model. Save the model again.") from None
    if isinstance(version, int) and version > MODEL_FORMAT:
        raise ModelError(
            f"this gatecast reads model format {MODEL_FORMAT}; '{path}' has {version}. Upgrade gatecast, or save again."
        )
    if not unchanged:
        raise ModelError(f"a model must be as it was saved; '{path}' was changed. Save the model again.")
    if not isinstance(name, str) or not _WEIGHTS_NAME.fullmatch(name):
        raise ModelError(f"weights lie in the model's own folder; '{path}' names {name!r}. Save the model again.")
    body = _read(folder / name)
    if hashlib.sha256(body).hexdigest() != digest:
        raise ModelError(f"weights must be as they were saved; '{folder / name}' was changed. Save the model again.")
    try:
        tensors = load(body)
    except SafetensorError:
        raise ModelError(f"'{folder / name}' is no safetensors file. Save the model again.") from None
    if not all(bool(tensor.isfinite().all()) for tensor in tensors.values()):
        raise ModelError(f"weights must be finite numbers; '{folder / name}' holds others. Train the model again.")
    try:
        return (tensors, document) if version == MODEL_FORMAT else _upgraded(tensors, document)
    except (KeyError, TypeError, AttributeError):
        raise ModelError(f"'{path}' does not fit model format {version}. Save the model again.") from None


def _upgraded(tensors: Mapping[str, Tensor], document: Mapping[str, Any]) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """A model of format 1 under the names of format 2."""
    renamed = {
        name.replace(".market_", ".cross_section_").replace(".echo_", ".event_"): tensor
        for name, tensor in tensors.items()
    }
    new = dict(document)
    new["kind"] = {None: "trained", "adapted base": "base"}.get(document.get("kind"), document.get("kind"))
    if "config" in new:
        config = dict(new["config"])
        config["cross_section"] = config.pop("market", True)
        new |= {"config": config, "choice": []}
    if "networks" in new:
        new["networks"] = [
            {**network, "held_out": network["shocks"], "shrinkage": network["trust"]} for network in new["networks"]
        ]
    return renamed, new


def _canonical(document: Mapping[str, Any]) -> str:
    return json.dumps(document, sort_keys=True, separators=(",", ":"), allow_nan=False)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ModelError(f"'{path}' cannot be read ({error.strerror}). Check the path and its rights.") from None
