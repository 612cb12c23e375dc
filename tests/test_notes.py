"""Notes: named items come before the text; the same sentence on several items becomes a single note."""

from __future__ import annotations

from gatecast.notes import Note, merged


def test_a_note_names_at_most_three_items() -> None:
    assert str(Note("data", "sorted")) == "sorted"
    assert str(Note("data", "sorted", ("A", "B", "C"))) == "A, B, C: sorted"
    assert str(Note("data", "sorted", ("A", "B", "C", "D"))) == "A, B, C and 1 more: sorted"


def test_merged_notes_keep_their_order_and_gather_items() -> None:
    notes = [Note("data", "x", ("A",)), Note("data", "y"), Note("data", "x", ("B",)), Note("data", "x", ("A",))]
    assert merged(notes) == (Note("data", "x", ("A", "B")), Note("data", "y"))
    assert merged(merged(notes)) == merged(notes)


def test_a_note_on_every_item_names_none() -> None:
    notes = [Note("data", "x", ("A",)), Note("data", "x", ("B",))]
    assert merged(notes, ["B", "A"]) == (Note("data", "x"),)
    assert merged(notes, ["A", "B", "C"]) == (Note("data", "x", ("A", "B")),)
    assert merged([*notes, Note("data", "x")]) == (Note("data", "x"),)  # it already holds for all


def test_notes_of_other_kinds_stay_apart() -> None:
    notes = (Note("data", "x", ("A",)), Note("model", "x", ("B",)))
    assert merged(notes) == notes
