"""The one training loop, its optimiser and the objectives of the base network, each by what it must do."""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from conftest import simulated_series
from gatecast.config import Config
from gatecast.models.shipped import load_ensemble, shipped
from gatecast.nn.base_network import BaseNetwork
from gatecast.nn.parallel import INLINE, Workers
from gatecast.nn.training import adapting
from gatecast.nn.training.adam import AdamSettings, FlatAdam, one_cycle
from gatecast.nn.training.base import chunk_loss, joint_loss, predicted
from gatecast.nn.training.loop import Batch, Checkpoint, Objective, Progress, TrainingRecord, train
from gatecast.nn.training.sequences import Chunks, TrainingSequence

SETTINGS = AdamSettings(learning_rate=0.05)


def line(seed: int = 0) -> nn.Linear:
    """A network of two weights and a bias."""
    network = nn.Linear(2, 1)
    with torch.no_grad():
        network.weight.copy_(torch.randn(1, 2, generator=torch.Generator().manual_seed(seed)))
        network.bias.zero_()
    return network


def weights_of(network: nn.Module) -> Tensor:
    return torch.cat([parameter.detach().flatten().clone() for parameter in network.parameters()])


class Lines(Objective):
    """Lines through random points: each batch in so many parts, judged by given held-out losses."""

    def __init__(self, networks: list[nn.Linear], *, parts: int = 1, held_out: list[float] | None = None) -> None:
        self.networks, self.parts = networks, parts
        self.held_out = held_out
        self.judged = 0

    def epoch(self, number: int) -> Iterator[list[Batch]]:
        generator = torch.Generator().manual_seed(number)
        for member in range(len(self.networks)):
            for _ in range(3):
                points = torch.randn(12, 3, generator=generator)
                parts = [partial(self.loss, member, part) for part in points.chunk(self.parts)]
                yield [Batch(parts=parts, rows=12, updates=3 * len(self.networks), member=member)]

    def loss(self, member: int, points: Tensor) -> Tensor:
        return (self.networks[member](points[:, :2])[:, 0] - points[:, 2]).square().sum() / 12

    def held_out_loss(self, workers: Workers) -> float | None:
        self.judged += 1
        return None if self.held_out is None else self.held_out[self.judged - 1]


def trained(objective: Lines, settings: AdamSettings = SETTINGS, **how: object) -> TrainingRecord:
    return train(objective, [FlatAdam(network, settings) for network in objective.networks], **how)


def test_a_batch_in_parts_moves_the_weights_as_the_whole_batch() -> None:
    whole, parted = line(), line()
    losses = [trained(Lines([network], parts=parts), epochs=2).losses for network, parts in ((whole, 1), (parted, 3))]
    torch.testing.assert_close(weights_of(whole), weights_of(parted))
    assert [loss for _, loss, _ in losses[0]] == pytest.approx([loss for _, loss, _ in losses[1]])
    assert not torch.allclose(weights_of(whole), weights_of(line()), atol=0.1)


def test_a_batch_moves_the_member_it_is_of() -> None:
    both, first = [line(0), line(1)], line(0)

    class FirstAlone(Lines):
        def epoch(self, number: int) -> Iterator[list[Batch]]:
            return (batches for batches in super().epoch(number) if batches[0].member == 0)

    trained(FirstAlone(both), epochs=1)
    trained(Lines([first]), epochs=1)
    assert torch.equal(weights_of(both[0]), weights_of(first))
    assert torch.equal(weights_of(both[1]), weights_of(line(1)))


def test_networks_of_one_update_learn_side_by_side_as_each_would_by_itself() -> None:
    both, alone = [line(0), line(1)], [line(0), line(1)]

    class AtOnce(Lines):
        def epoch(self, number: int) -> Iterator[list[Batch]]:
            batches = [batch for batches in super().epoch(number) for batch in batches]
            return ([batches[at], batches[3 + at]] for at in range(3))

    together, apart = (trained(lines, epochs=2) for lines in (AtOnce(both), Lines(alone)))
    assert torch.equal(weights_of(both[0]), weights_of(alone[0]))
    assert torch.equal(weights_of(both[1]), weights_of(alone[1]))
    assert [loss for _, loss, _ in together.losses] == pytest.approx([loss for _, loss, _ in apart.losses])


def test_a_batch_is_drawn_when_the_one_before_it_has_been_learned() -> None:
    seen = []

    class Watching(Lines):
        def epoch(self, number: int) -> Iterator[list[Batch]]:
            for batch in super().epoch(number):
                seen.append(weights_of(self.networks[0]))
                yield batch

    trained(Watching([line()]), epochs=1)
    assert len(seen) == 3
    assert not torch.equal(seen[0], seen[1]) and not torch.equal(seen[1], seen[2])


def test_the_weights_of_the_smallest_held_out_loss_are_kept_and_patience_counts_from_it() -> None:
    kept, there = line(), line()
    record = trained(Lines([kept], held_out=[5.0, 3.0, 3.0, 4.0, 9.0, 1.0]), epochs=6, patience=3)
    trained(Lines([there]), epochs=2)
    assert (record.best_epoch, record.best_loss, len(record.losses)) == (2, 3, 5)
    assert torch.equal(weights_of(kept), weights_of(there))


def test_only_with_improve_must_an_epoch_beat_the_weights_as_they_were_given() -> None:
    given, other = line(), line()
    record = trained(Lines([given], held_out=[2.0, 3.0, 2.0, 5.0, 1.0]), epochs=9, patience=3, improve=True)
    assert (record.best_epoch, len(record.losses)) == (0, 3)
    assert torch.equal(weights_of(given), weights_of(line()))
    assert trained(Lines([other], held_out=[3.0, 2.0, 5.0]), epochs=3).best_epoch == 2
    better = trained(Lines([line()], held_out=[2.0, 3.0, 1.0, 5.0]), epochs=3, improve=True)
    assert (better.best_epoch, better.best_loss) == (2, 1)


def test_where_nothing_is_held_out_the_last_weights_are_kept_or_their_running_mean() -> None:
    last, mean = line(), line()
    path = [weights_of(last)]

    def watch(now: Progress) -> None:
        path.append(weights_of(last))

    record = trained(Lines([last]), epochs=2, progress=watch)
    assert record.best_epoch == 2 and all(math.isnan(held_out) for _, _, held_out in record.losses)
    assert torch.equal(weights_of(last), path[-1])
    trained(Lines([mean]), AdamSettings(learning_rate=0.05, average=0.3), epochs=2)
    expected = path[0]
    for update, weights in enumerate(path[1:]):
        decay = min(0.3, (1 + update) / (10 + update))
        expected = decay * expected + (1 - decay) * weights
    torch.testing.assert_close(weights_of(mean), expected)


@pytest.mark.parametrize(
    "held_out", [[4.0, 3.0, 2.0, 3.0], [4.0, 2.0, 3.0, 3.0]]
)  # the best epoch is yet to come, or past
def test_members_cut_off_go_on_to_the_same_bits(held_out: list[float], tmp_path: Path) -> None:
    settings = AdamSettings(learning_rate=0.05, average=0.9, clip_norm=0.5)
    unbroken, cut = [line(0), line(1)], [line(0), line(1)]
    trained(Lines(unbroken, held_out=held_out), settings, epochs=4)

    def interrupt(now: Progress) -> None:
        if now.epoch == 3:
            raise KeyboardInterrupt

    checkpoint = partial(Checkpoint, tmp_path / "state", "a name")
    begun = Lines(cut, held_out=held_out)
    record = trained(begun, settings, epochs=4, checkpoint=checkpoint(), progress=interrupt)
    assert record.interrupted and record.best_epoch == 2
    begun.networks = resumed = [line(5), line(6)]
    trained(begun, settings, epochs=4, checkpoint=checkpoint(resume=True))
    for network, other in zip(unbroken, resumed, strict=True):
        assert torch.equal(weights_of(network), weights_of(other))
    with pytest.raises(KeyboardInterrupt):
        trained(Lines([line()], held_out=held_out), epochs=4, progress=interrupt)


@pytest.mark.parametrize("updates", [12, 40, 600])
def test_one_cycle_equals_torchs(updates: int) -> None:
    reference = torch.optim.AdamW(line().parameters(), lr=3e-3)
    cycle = torch.optim.lr_scheduler.OneCycleLR(
        reference, 3e-3, total_steps=updates, pct_start=0.1, div_factor=10, final_div_factor=50
    )
    for update in range(updates):
        (group,) = reference.param_groups
        rate, beta = one_cycle(update, updates)
        assert 3e-3 * rate == pytest.approx(group["lr"])
        assert beta == pytest.approx(group["betas"][0])
        reference.step()
        if update + 1 < updates:
            cycle.step()


def test_the_base_networks_optimiser_equals_torchs() -> None:
    """AdamW over one cycle, decay of matrices alone, clipped; but for where epsilon is added."""
    ours, theirs = nn.LSTM(2, 5), nn.LSTM(2, 5)
    theirs.load_state_dict(ours.state_dict())
    settings = AdamSettings(learning_rate=0.02, cycle=30, weight_decay=2.0, decay_vectors=False, clip_norm=0.5)
    flat = FlatAdam(ours, settings)
    groups = [
        {"params": [weight for weight in theirs.parameters() if weight.dim() > 1], "weight_decay": 2.0},
        {"params": [weight for weight in theirs.parameters() if weight.dim() == 1], "weight_decay": 0.0},
    ]
    reference = torch.optim.AdamW(groups, lr=0.02, eps=1e-7)
    cycle = torch.optim.lr_scheduler.OneCycleLR(
        reference, 0.02, total_steps=30, pct_start=0.1, div_factor=10, final_div_factor=50
    )
    generator = torch.Generator().manual_seed(0)
    for step in range(1, 31):
        inputs = torch.randn(6, 4, 2, generator=generator)
        flat.step([flat.gradient_of(40 * (ours(inputs)[0] - 1).square().mean())])
        (40 * (theirs(inputs)[0] - 1).square().mean()).backward()
        nn.utils.clip_grad_norm_(theirs.parameters(), 0.5)
        for group in reference.param_groups:
            group["eps"] = 1e-7 / (1 - 0.999**step) ** 0.5
        reference.step()
        reference.zero_grad()
        if step < 30:
            cycle.step()
    for weight, other in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(weight, other, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("items", [1, 3])
@pytest.mark.parametrize(("errors", "kept"), [(1.9, False), (2.1, True)])
def test_an_adaptation_is_kept_where_it_gains_twice_its_error(
    errors: float, kept: bool, items: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Items that gain alike each day are no more evidence than one of them."""

    def judged(objective: adapting._Adapting, optimisers: list[FlatAdam], **how: object) -> TrainingRecord:
        days = sum(len(sequence) - end for sequence, end in objective.tails) // items
        gains = np.random.default_rng(0).normal(size=days)
        gains += errors * gains.std() / np.sqrt(days) - gains.mean()
        objective.densities[:] = [np.zeros(days * items), np.full(days * items, -9.0), np.tile(gains, items)]
        return TrainingRecord(best_epoch=2)

    monkeypatch.setattr(adapting, "train", judged)
    members = load_ensemble(shipped()[0]).members[:2]
    series = [simulated_series(name, 900, start="2016-06-01") for name in "XYZ"[:items]]
    adapted = adapting.adapt(members, series, Config())
    assert adapted.kept == kept
    assert adapted.gain / adapted.error == pytest.approx(errors)
    assert all((member in members) != kept for member in adapted.members)


def test_held_out_tails_are_judged_side_by_side_as_one_by_one() -> None:
    """The mixture's density of each, whatever lengths they have and however many are read at once."""
    members = load_ensemble(shipped()[0]).members[:2]
    table = [
        simulated_series(f"X{number}", 500 + 60 * (number % 2), number, start="2016-06-01") for number in range(11)
    ]
    tails = sorted(((of, len(of) - 40) for of in TrainingSequence.of_table(table)), key=adapting._rows_read)

    def judged(tails: list[adapting.Tail]) -> np.ndarray:
        objective = adapting._Adapting(members=members, learned=[], tails=tails, seed=0)
        loss = objective.held_out_loss(INLINE)
        assert loss == pytest.approx(-objective.densities[-1].mean())
        return objective.densities[-1]

    together = judged(tails)
    assert together.shape == (11 * 40,)
    np.testing.assert_allclose(together, np.concatenate([judged([tail]) for tail in tails]), rtol=1e-3, atol=1e-4)


def test_an_adaptation_that_gains_nothing_leaves_the_members_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(adapting, "LEARNING_RATE", 1.0)  # far too fast: every epoch is worse
    members = load_ensemble(shipped()[0]).members[:1]
    adapted = adapting.adapt(members, [simulated_series("X", 900, start="2016-06-01")], Config())
    assert (adapted.kept, adapted.gain, adapted.error) == (False, 0.0, 0.0)
    assert adapted.members == members
    assert len(adapted.losses) == adapting.PATIENCE


@pytest.mark.parametrize(
    ("errors", "promising"),
    [
        ([0.9], False),  # fewer than half of what it needs after the first epoch
        ([1.1], True),
        ([1.1, 1.5], True),
        ([1.5, 1.4], False),  # under what it needs, and falling
        ([2.5, 2.1], True),
        ([2.5, 1.9], False),
        ([-1.0], False),
    ],
)
def test_an_adaptation_goes_on_while_its_gain_is_sure_or_becoming_so(errors: list[float], promising: bool) -> None:
    (sequence,) = TrainingSequence.of_table([simulated_series("X", 500)])
    objective = adapting._Adapting(members=(), learned=[], tails=[(sequence, len(sequence) - 100)], seed=0)
    noise = np.random.default_rng(0).normal(size=100)
    noise -= noise.mean()
    objective.densities[:] = [np.zeros(100), *(noise + error * noise.std() / 10 for error in errors)]
    assert objective.gain(len(errors))[0] == pytest.approx(errors[-1] * objective.gain(len(errors))[1])
    assert objective.promising() == promising


def test_training_ends_where_its_objective_is_no_longer_promising(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(adapting._Adapting, "promising", lambda objective: len(objective.densities) < 4)
    monkeypatch.setattr(adapting, "PATIENCE", 99)
    members = load_ensemble(shipped()[0]).members[:1]
    adapted = adapting.adapt(members, [simulated_series("X", 900, start="2016-06-01")], Config())
    assert len(adapted.losses) == 3


def test_an_adaptation_whose_loss_is_no_longer_finite_is_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(adapting, "chunk_loss", lambda *parts: chunk_loss(*parts) * math.nan)
    members = load_ensemble(shipped()[0]).members[:1]
    adapted = adapting.adapt(members, [simulated_series("X", 900, start="2016-06-01")], Config())
    assert (adapted.kept, adapted.gain, adapted.members) == (False, 0.0, members)
    assert adapted.held_out > 0


def test_range_and_volume_count_beside_the_return() -> None:
    """By 0.3 and 0.1 of their mean negative log-likelihoods, but for the normal's constant; not where unknown."""
    network = BaseNetwork()
    nn.init.normal_(network.head.weight, std=0.1, generator=torch.Generator().manual_seed(1))
    (sequence,) = TrainingSequence.of_table([simulated_series("X", 300)])
    chunks = Chunks.of([sequence.rows(0, 120), sequence.rows(100, 220)])
    with torch.no_grad():
        day = predicted(network, chunks)
        whole = chunks.observed.clone()
        y, log_range, volume = whole.unbind(dim=-1)
        range_error = (log_range - day.range_centre(y)) / day.range_spread
        volume_error = (volume.clamp(-3, 3) - day.volume_centre(range_error)) / day.volume_spread
        closes = whole.clone()
        closes[..., 1:] = torch.nan
        of_return = float(joint_loss(day, closes))
        surprise = -float(day.return_log_prob(y).mean())
        of_range = float((0.5 * range_error.square() + day.range_spread.log()).mean())
        of_volume = float((0.5 * volume_error.square() + day.volume_spread.log()).mean())
        loss = float(joint_loss(day, whole))
    assert of_return == pytest.approx(surprise, rel=1e-5)
    assert loss == pytest.approx(of_return + 0.3 * of_range + 0.1 * of_volume, rel=1e-5)
    assert min(abs(of_range), abs(of_volume)) > 0.05


def test_no_day_compares_with_one_of_a_price() -> None:
    """Some numpy raises where a unit overflows, others answer wrongly."""
    day = np.datetime64("2020-01-01", "ns")
    assert max(day, adapting.NEVER) == day and adapting.NEVER.dtype == day.dtype
