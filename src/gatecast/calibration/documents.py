"""Numbers of a JSON document, checked as they are read."""

from __future__ import annotations

from typing import Any

import numpy as np


def numbers(values: Any, shape: tuple[int, ...] | None = None) -> np.ndarray:
    """Nested lists as an array of this shape; raises `ValueError` where it has another, or holds what is no number."""
    array = np.array(values, dtype=np.float64)
    if not np.isfinite(array).all() or (shape is not None and array.shape != shape):
        raise ValueError("its numbers have another shape, or are none")
    return array
