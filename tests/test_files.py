"""Saved models: they come back the same, carry no code, and a damaged one is refused in one line."""

from __future__ import annotations

import json
import random
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from conftest import TINY, simulated_series, texts
from gatecast.errors import GatecastError, ModelError, TrainingError
from gatecast.models.forecaster import Forecaster
from gatecast.nn import model_files as checkpoint
from gatecast.prices import PriceTable
from gatecast.readers.read import read_prices

RECORDED = Path(__file__).parent / "recorded" / "format-1"
TABLE = PriceTable(series=(simulated_series("A", 160, 1), simulated_series("B", 140, 2)))


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model")
    Forecaster(TINY).fit(TABLE).save(folder)
    return folder


@pytest.fixture
def copied(model: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(model, tmp_path / "copy"))


def paths_of(folder: Path) -> list[np.ndarray]:
    return [item.paths for item in Forecaster.load(folder).predict(TABLE, 4, paths=20, seed=1)]


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"per_asset": True},
        {"returns": "none"},
        {"encoder": "gru", "dense": (4,)},
        {"encoder": "tcn"},
        {"encoder": "transformer"},
    ],
)
def test_a_saved_model_forecasts_the_same(settings: dict[str, object], tmp_path: Path) -> None:
    forecaster = Forecaster(TINY.replace(**settings)).fit(TABLE)
    forecaster.save(tmp_path)
    before = [item.paths for item in forecaster.predict(TABLE, 4, paths=20, seed=1)]
    for ours, theirs in zip(before, paths_of(tmp_path), strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("encoder", ["lstm", "gru", "rnn", "tcn", "transformer"])
def test_saving_twice_gives_the_same_bytes_and_leaves_nothing_else(encoder: str, tmp_path: Path) -> None:
    forecaster = Forecaster(TINY.replace(encoder=encoder)).fit(TABLE)
    forecaster.save(tmp_path)
    first = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    forecaster.save(tmp_path)
    assert first == {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    Forecaster(TINY.replace(seed=9)).fit(TABLE).save(tmp_path)
    assert len(list(tmp_path.iterdir())) == 2


def test_500_single_byte_changes_are_refused_or_harmless(copied: Path) -> None:
    expected = paths_of(copied)
    chance, refused = random.Random(0), 0
    for _ in range(500):
        path = chance.choice(sorted(copied.iterdir()))
        content = path.read_bytes()
        position = chance.randrange(len(content))
        path.write_bytes(
            content[:position] + bytes([content[position] ^ chance.randrange(1, 256)]) + content[position + 1 :]
        )
        try:
            for ours, theirs in zip(expected, paths_of(copied), strict=True):
                np.testing.assert_array_equal(ours, theirs)
        except GatecastError as error:
            refused += 1
            assert "\n" not in str(error)
        path.write_bytes(content)
    assert refused > 400


def reseal(folder: Path, **changes: object) -> None:
    """Change the description and its checksum with it, as a forger would."""
    path = folder / "model.json"
    document = json.loads(path.read_text())
    document.pop("sha256")
    document |= changes
    canonical = json.dumps(document, sort_keys=True, separators=(",", ":"))
    digest = checkpoint.hashlib.sha256(canonical.encode()).hexdigest()
    path.write_text(json.dumps({"sha256": digest, **document}))


def test_a_newer_format_says_upgrade(copied: Path) -> None:
    reseal(copied, format=99)
    with pytest.raises(ModelError, match="format 2.*has 99"):
        Forecaster.load(copied)


@pytest.mark.parametrize("kind", ["trained", "base"])
def test_a_model_saved_as_format_1_loads_and_forecasts_what_it_did(kind: str, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(RECORDED / kind, tmp_path / kind))
    assert json.loads((folder / "model.json").read_text())["format"] == 1
    expected = json.loads((RECORDED / "expected.json").read_text())[kind]
    if kind == "base":
        item = Forecaster.load(folder).predict(read_prices("sample:eurusd"), 5, paths=200, seed=1).items[0]
        lower, upper = item.interval(0.9)
        np.testing.assert_allclose([lower, item.median, upper], [expected[k] for k in expected], rtol=1e-5)
        assert any("100 past forecasts" in text for text in texts(item.notes))
    else:
        aapl = read_prices("sample:aapl").series[0]
        prices = PriceTable(series=(aapl.rows(len(aapl) - 400, len(aapl)),))
        paths = Forecaster.load(folder).predict(prices, 4, paths=1).items[0].paths
        np.testing.assert_allclose(paths[0], expected, rtol=1e-5)
    # Saved again it is of the present format, and the same model.
    Forecaster.load(folder).save(tmp_path / "again")
    assert json.loads((tmp_path / "again" / "model.json").read_text())["format"] == 2
    old, new = (Forecaster.load(path).tensors() for path in (folder, tmp_path / "again"))
    assert old.keys() == new.keys()
    assert all(torch.equal(old[name], new[name]) for name in old)


def test_weights_outside_the_folder_are_refused(copied: Path) -> None:
    for name in ("../secret.safetensors", "/etc/passwd", "weights-0.safetensors/../../x", 7):
        reseal(copied, weights=name)
        with pytest.raises(ModelError, match="own folder"):
            Forecaster.load(copied)


@pytest.mark.parametrize(
    "changes",
    [
        {"hidden": 4096, "layers": 16},
        {"hidden": 7},
        {"encoder": "gru"},
        {"encoder": "tcn"},
        {"no_such_setting": 1},
        {"epochs": -1},
    ],
    ids=str,
)
def test_settings_that_do_not_fit_the_weights_are_refused(copied: Path, changes: dict[str, object]) -> None:
    config = json.loads((copied / "model.json").read_text())["config"]
    reseal(copied, config=config | changes)
    with pytest.raises(ModelError, match="does not"):
        Forecaster.load(copied)


@pytest.mark.parametrize("key", ["config", "networks", "data_hash"])
@pytest.mark.parametrize("value", [None, [], {}, "text", 3, [[1]], [{"features": []}]], ids=str)
def test_a_forged_description_is_refused_or_harmless(copied: Path, key: str, value: object) -> None:
    """Refused in one line, or of no effect on any number."""
    expected = paths_of(copied)
    reseal(copied, **{key: value})
    try:
        forged = paths_of(copied)
    except GatecastError as error:
        assert str(error) and "\n" not in str(error)
        return
    assert key == "data_hash"
    for ours, theirs in zip(forged, expected, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_foreign_and_missing_files_are_refused(tmp_path: Path, copied: Path) -> None:
    with pytest.raises(ModelError, match=r"holds model\.json"):
        Forecaster.load(tmp_path)
    (tmp_path / "model.json").write_text("{}")
    with pytest.raises(ModelError, match="no gatecast model"):
        Forecaster.load(tmp_path)
    (tmp_path / "model.json").write_text("[" * 100_000)
    with pytest.raises(ModelError):
        Forecaster.load(tmp_path)
    (weights,) = copied.glob("weights-*")
    save_file({"other": torch.zeros(3)}, weights)
    with pytest.raises(ModelError, match="was changed"):
        Forecaster.load(copied)
    weights.unlink()
    with pytest.raises(ModelError, match="cannot be read"):
        Forecaster.load(copied)


@pytest.mark.parametrize(
    "forged",
    [
        {"held_out": {"error": [], "range_ratio": [], "volume_ratio": []}},
        {"until": None},
        {"until": "NaT"},
        {"items": "A"},
        {"scaler": {"std": 0.0}},
        {"scaler": {"std": -1.0}},
        {"scaler": {"levels": {"A": [1]}}},
        {"scaler": {"levels": {"A": [0, 0]}}},
        {"scaler": {"mean": 10**400}},
        {"losses": [[1, 10**400, 1]]},
    ],
    ids=str,
)
def test_a_network_that_cannot_be_is_refused_in_one_line(copied: Path, forged: dict[str, Any]) -> None:
    (network,) = json.loads((copied / "model.json").read_text())["networks"]
    scaler = network["scaler"]
    for key, value in dict(forged.get("scaler", {})).items():
        scaler[key] = value if key == "levels" else [value, *scaler[key][1:]]
    reseal(copied, networks=[network | forged | {"scaler": scaler}])
    with pytest.raises(ModelError, match="does not") as refused:
        Forecaster.load(copied)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_no_numbers_are_refused(copied: Path, value: float) -> None:
    tensors, document = checkpoint.load_model(copied)
    name = sorted(tensors)[0]
    tensors[name] = torch.full_like(tensors[name], value)
    for key in ("format", "weights", "weights_sha256"):
        document.pop(key)
    checkpoint.save_model(copied, tensors, document)
    with pytest.raises(ModelError, match="finite"):
        Forecaster.load(copied)


def test_saving_touches_no_file_but_its_own(tmp_path: Path) -> None:
    forecaster = Forecaster(TINY).fit(TABLE)
    mine = {"weights-best.safetensors": b"precious", "notes.txt": b"mine", "training-notes.safetensors": b"too"}
    for name, content in mine.items():
        (tmp_path / name).write_bytes(content)
    forecaster.save(tmp_path)
    Forecaster(TINY.replace(seed=9)).fit(TABLE).save(tmp_path)
    assert {name: (tmp_path / name).read_bytes() for name in mine} == mine
    assert len(list(tmp_path.iterdir())) == len(mine) + 2
    other = tmp_path / "other"
    other.mkdir()
    (other / "model.json").write_text('{"mine": 1}')
    with pytest.raises(TrainingError, match="no other program's"):
        forecaster.save(other)
    assert [path.name for path in other.iterdir()] == ["model.json"]


def test_a_full_disk_leaves_the_last_good_model(copied: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = paths_of(copied)
    other = Forecaster(TINY.replace(seed=9)).fit(TABLE)
    for allowed in (0, 1, 2):  # the disk fills at the first try, before the weights, or after them
        calls = iter(range(10))

        def write(path: Path, content: bytes, allowed: int = allowed, calls: object = calls) -> None:
            if next(calls) >= allowed:  # type: ignore[call-overload]
                raise OSError(28, "No space left on device")
            path.write_bytes(content)

        monkeypatch.setattr(checkpoint, "atomic_write", write)
        with pytest.raises(TrainingError, match="No space left"):
            other.save(copied)
        monkeypatch.undo()
        for ours, theirs in zip(expected, paths_of(copied), strict=True):
            np.testing.assert_array_equal(ours, theirs)


def test_nothing_in_the_code_can_execute_a_model() -> None:
    root = Path(__file__).parents[1] / "src"
    # The pipes to the process of a model that the user brings, whose code the user has asked to run; never a file.
    pipes = {root / "gatecast" / "models" / "foreign" / name for name in ("child.py", "isolated.py")}
    for path in root.rglob("*.py"):
        text = path.read_text()
        for word in ("torch.load", "eval(", "exec(", *([] if path in pipes else ["pickle"])):
            harmless = text.replace("nn.eval(", "").replace(".eval()", "").replace("create_subprocess_exec(", "")
            assert word not in harmless, (path, word)


def test_only_a_model_that_stood_there_is_said_to_be_unchanged(
    copied: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    forecaster, taken = Forecaster.load(copied), tmp_path / "a.csv"
    taken.touch()
    with pytest.raises(TrainingError, match=r"cannot be written \(File exists\)\. Free"):
        forecaster.save(taken)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.replace", full)
    with pytest.raises(TrainingError, match=r"No space .*\. The model that stood there is unchanged\. Free"):
        forecaster.save(copied)
