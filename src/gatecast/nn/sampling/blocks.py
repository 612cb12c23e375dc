"""What is simulated at once: blocks of starts that are alike, or of whole tables whose items see each other's days."""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int

PATHS_AT_ONCE = 16_384  # of all starts of a block; more would take more memory, and fewer more calls for the same


@dataclass(frozen=True, kw_only=True)
class Block:
    """Groups of alike starts, by their numbers, simulated in step; of their paths the share `number` of `of`."""

    groups: tuple[Int[np.ndarray, " _"], ...]
    paths: range
    number: int = 0
    of: int = 1


def blocks_of(
    keys: Sequence[Hashable], tables: Int[np.ndarray, " start"], in_step: Sequence[bool], paths: int
) -> list[Block]:
    """Blocks of all starts, each with its key (alike ones have the same) and its table's number.

    Tables that are `in_step` stay whole, several of a block or a share of the paths of each; other starts go with
    those that are alike.
    """
    together = np.array(in_step, dtype=bool)[tables]
    every = range(paths)
    blocks = [
        Block(groups=(part,), paths=every)
        for group in _alike(keys, np.flatnonzero(~together))
        for part in _parts(group, paths)
    ]
    stepping = np.flatnonzero(np.bincount(tables[together], minlength=len(in_step)))
    if not len(stepping):
        return blocks
    largest = int(np.bincount(tables[together]).max())
    at_once = max(PATHS_AT_ONCE // (largest * paths), 1)
    shares = math.ceil(paths / max(PATHS_AT_ONCE // largest, 1))
    ends = [paths * share // shares for share in range(shares + 1)]
    for part in np.array_split(stepping, math.ceil(len(stepping) / at_once)):
        groups = tuple(_alike(keys, np.flatnonzero(np.isin(tables, part))))
        blocks += [
            Block(groups=groups, paths=range(ends[share], ends[share + 1]), number=share, of=shares)
            for share in range(shares)
        ]
    return blocks


def _alike(keys: Sequence[Hashable], starts: Int[np.ndarray, " start"]) -> list[Int[np.ndarray, " _"]]:
    found: dict[Hashable, list[int]] = {}
    for start in starts.tolist():
        found.setdefault(keys[start], []).append(start)
    return [np.array(group) for group in found.values()]


def _parts(group: Int[np.ndarray, " start"], paths: int) -> list[Int[np.ndarray, " _"]]:
    return np.array_split(group, math.ceil(len(group) / max(PATHS_AT_ONCE // paths, 1)))
