"""Processes that train one network together: each learns from its shares of every batch, and all make the same step."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from torch import Tensor

from gatecast.groups import Member

Part = TypeVar("Part")
Value = TypeVar("Value")


@dataclass(frozen=True, kw_only=True)
class Group:
    """One of `size` processes, whose numbers are 0 to `size` - 1; all have the same data, settings and seeds.

    Of a batch each works on its own shares, and the sum over all is every process's gradient: that of the whole batch,
    whatever the size, but for rounding (synchronous data-parallel descent, Chen et al. 2016).
    """

    rank: int = 0
    size: int = 1

    @classmethod
    def joined(cls) -> Group:
        """The group that this process has joined (`torch.distributed.init_process_group`); by itself where none."""
        from torch import distributed

        if not (distributed.is_available() and distributed.is_initialized()):
            return ALONE
        return cls(rank=distributed.get_rank(), size=distributed.get_world_size())

    @classmethod
    @contextmanager
    def met(cls, member: Member) -> Iterator[Group]:
        """The group of a member of `groups.run_group`, who is joined to the others where Ray has not done so."""
        if member.meet is None:
            yield cls.joined()
            return
        from torch import distributed

        place = member.meet.as_uri()
        distributed.init_process_group("gloo", init_method=place, rank=member.number, world_size=member.size)
        try:
            yield cls.joined()
        finally:
            distributed.destroy_process_group()

    def own(self, parts: Sequence[Part]) -> Sequence[Part]:
        """What this process works on of the shares of a batch."""
        return parts[self.rank :: self.size]

    def summed(self, tensors: Sequence[Tensor]) -> list[Tensor]:
        """The sum over all processes of each tensor; every process calls it with tensors of the same shapes."""
        if self.size == 1:
            return list(tensors)
        from torch import distributed

        flat = torch.cat([tensor.flatten() for tensor in tensors])
        distributed.all_reduce(flat)
        parts = torch.split(flat, [tensor.numel() for tensor in tensors])
        return [part.view_as(tensor) for part, tensor in zip(parts, tensors, strict=True)]

    def from_first(self, make: Callable[[], Value]) -> Value:
        """What `make` gives, or raises, in the first process; the others wait for it."""
        if self.size == 1:
            return make()
        from torch import distributed

        box: list[Any] = [None, None]
        if self.rank == 0:
            try:
                box[0] = make()
            except Exception as error:  # else the others would wait for ever
                box[1] = error
        distributed.broadcast_object_list(box)
        if box[1] is not None:
            raise box[1]
        value: Value = box[0]
        return value


ALONE = Group()
