"""The chain: any change in the database is found and named; nothing that happens while it is written breaks it."""

from __future__ import annotations

import hashlib
import json
import os
import random
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from conftest import simulated_series
from gatecast.errors import LedgerError, UsageError
from gatecast.ledger import database as databases
from gatecast.ledger.chain import append, head_of
from gatecast.ledger.database import Database
from gatecast.ledger.recording import void
from gatecast.ledger.records import START, chained, id_of
from gatecast.ledger.summary import summarize
from gatecast.ledger.tables import METADATA, REVISION
from gatecast.ledger.transfer import export_lines, import_lines
from gatecast.ledger.verify import Verified, rebuild_derived, verify
from gatecast.prices import PriceTable
from ledgers import execute, keep, recorded, settled_ledger

TABLE = PriceTable(series=(simulated_series("A", 160, 1), simulated_series("B", 160, 2)))


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A ledger with forecasts, outcomes and a void; some forecasts have steps to come."""
    path = tmp_path_factory.mktemp("whole") / "ledger.db"
    ids = settled_ledger(path, TABLE, forecasts=3)
    with Database(str(path)) as database:
        void(database, ids[1], "a try")
    return path


@pytest.fixture
def path(whole: Path, tmp_path: Path) -> Path:
    return Path(shutil.copy(whole, tmp_path / "ledger.db"))


def verified(path: Path | str, expect: str | None = None) -> Verified:
    with Database(str(path)) as database:
        return verify(database, expect=expect)


def broken(path: Path) -> str:
    with pytest.raises(LedgerError) as error:
        verified(path)
    return str(error.value)


def changes() -> Iterator[tuple[str, str]]:
    for table in METADATA.sorted_tables:
        for column in table.columns:
            yield table.name, column.name
    yield "alembic_version", "version_num"


@pytest.mark.parametrize(("table", "column"), list(changes()))
def test_a_byte_changed_in_any_column_is_found_and_named(table: str, column: str, path: Path) -> None:
    """The last byte of a text, the last digit of a number; of a long content, anywhere."""
    rng = random.Random(column)
    with closing(sqlite3.connect(path)) as connection, connection:
        rowid, old = rng.choice(connection.execute(f'SELECT rowid, "{column}" FROM {table}').fetchall())
        new: object = 1 if old is None else old
        if isinstance(old, int):
            new = old + 100
        if isinstance(old, float):
            new = old * (1 + 2**-50)
        if isinstance(old, str):
            place = rng.randrange(len(old)) if column == "content" else len(old) - 1
            new = old[:place] + chr(ord(old[place]) ^ 1) + old[place + 1 :]
        connection.execute(f'UPDATE {table} SET "{column}" = ? WHERE rowid = ?', (new, rowid))
    said = broken(path)
    if table == "entries":
        assert f"row {rowid} (" in said or (column == "seq" and f"row {rowid} is missing" in said)
    elif table not in ("head", "alembic_version"):
        assert f"in '{table}' the row of" in said


def test_every_row_of_the_chain_is_found_when_changed_and_named(path: Path) -> None:
    """Outcomes and voids too, and where its own hash was made anew for it: then one of two neighbours is named."""
    content = path.read_bytes()
    rows = execute(path, "SELECT seq, content, previous FROM entries")
    assert {json.loads(str(row[1]))["kind"] for row in rows} == {"forecast", "outcome", "void"}
    for seq, text, previous in rows:
        changed = str(text).replace("2", "3")
        execute(path, "UPDATE entries SET content = :new WHERE seq = :seq", new=changed, seq=seq)
        assert f"row {seq} (" in broken(path)
        if seq < len(rows):
            own, name = chained(int(str(seq)), str(previous), changed), id_of(changed)
            execute(path, "UPDATE entries SET hash = :own, id = :name WHERE seq = :seq", own=own, name=name, seq=seq)
            said = broken(path)
            assert f"row {seq} (" in said or f"does not follow row {seq}: one of them was changed" in said
        for left in path.parent.glob("ledger.db*"):
            left.unlink()
        path.write_bytes(content)


def test_a_changed_summary_is_made_anew_from_the_chain(path: Path) -> None:
    before = verified(path)
    for table in ("waiting", "scores", "daily", "by_item"):
        execute(path, f"DELETE FROM {table}")
        assert f"in '{table}' the row of" in broken(path) and "is missing" in broken(path)
        with Database(str(path)) as database:
            rebuild_derived(database)
    assert verified(path) == before


def test_a_byte_changed_anywhere_in_the_file_is_found_or_means_nothing(whole: Path, tmp_path: Path) -> None:
    """Either the ledger is refused, or what it holds is what it held: free space, and the words of its own tables."""

    def held(path: Path) -> str:
        with closing(sqlite3.connect(path)) as connection:
            return "\n".join(line for line in connection.iterdump() if line.startswith("INSERT"))

    with closing(sqlite3.connect(whole)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    content, expected, found = whole.read_bytes(), held(whole), 0
    rng = random.Random(0)
    for _ in range(25):
        place = rng.randrange(100, len(content))
        copy = tmp_path / "copy.db"
        copy.write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
        try:
            verified(copy)
        except LedgerError:
            found += 1
        else:
            assert held(copy) == expected, place
        for left in tmp_path.glob("copy.db*"):
            left.unlink()
    assert found > 5


def test_the_hash_is_that_of_number_previous_and_content(path: Path) -> None:
    """As the page on the ledger says, so that anybody can check it."""
    before = "0" * 64
    for seq, line in enumerate(lines_of(path), 1):
        row = json.loads(line)
        content = line.partition('"content":')[2][:-1]
        assert row["previous"] == before and row["seq"] == seq
        before = hashlib.sha256(f"{seq}\n{before}\n{content}".encode()).hexdigest()
        assert row["hash"] == before


def test_verify_leaves_no_trace(path: Path) -> None:
    with Database(str(path)) as database:
        assert verify(database) == verify(database)


def test_a_missing_row_is_named(path: Path) -> None:
    last = verified(path).rows
    for seq in (1, 4, last):
        copy = Path(shutil.copy(path, path.with_name("copy.db")))
        with closing(sqlite3.connect(copy)) as connection, connection:
            connection.execute("DELETE FROM entries WHERE seq = ?", (seq,))
        assert f"row {seq} is missing" in broken(copy)


def test_rows_out_of_order_are_named(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        for old, new in ((3, -1), (5, 3), (-1, 5)):
            connection.execute("UPDATE entries SET seq = ? WHERE seq = ?", (new, old))
    assert "row 3 (" in (said := broken(path)) and "out of order" in said


def test_an_end_that_was_cut_off_is_known_by_a_hash_printed_before(path: Path) -> None:
    before = verified(path)
    keep(path, [recorded(TABLE["A"], 130)])
    now = verified(path, before.head)
    assert now.rows == before.rows + 1 and verified(path, now.head) == now
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("DELETE FROM waiting WHERE seq = ?", (now.rows,))
        connection.execute("DELETE FROM entries WHERE seq = ?", (now.rows,))
        connection.execute("UPDATE head SET seq = ?, hash = ?", (before.rows, before.head))
    assert verified(path) == before
    with pytest.raises(LedgerError, match="cut off"):
        verified(path, now.head)


def test_the_same_record_is_kept_once(path: Path) -> None:
    before = verified(path)
    assert keep(path, [recorded(TABLE["A"], 100)]) == []
    assert verified(path) == before


def lines_of(path: Path | str) -> list[str]:
    with Database(str(path)) as database:
        return list(export_lines(database))


def test_an_export_goes_into_an_empty_ledger_whole(path: Path, tmp_path: Path) -> None:
    with Database(str(tmp_path / "new.db"), create=True) as database:
        for new in (verified(path).rows, 0):
            done = import_lines(database, lines_of(path), "x.jsonl")
            assert (done.new, done.chained_anew) == (new, False)
        assert summarize(database) == summarize(Database(str(path)))
    assert verified(tmp_path / "new.db") == verified(path)


def test_an_export_that_goes_on_is_appended_and_another_is_chained_anew(path: Path, tmp_path: Path) -> None:
    other = Path(shutil.copy(path, tmp_path / "other.db"))
    keep(path, [recorded(TABLE["A"], 130)])
    with Database(str(other)) as database:
        done = import_lines(database, lines_of(path), "x.jsonl")
    assert (done.new, done.chained_anew) == (1, False) and verified(other) == verified(path)
    keep(other, [recorded(TABLE["B"], 131)])
    keep(path, [recorded(TABLE["B"], 132)])
    with Database(str(other)) as database:
        done = import_lines(database, lines_of(path), "x.jsonl")
    assert (done.new, done.chained_anew) == (1, True)
    assert verified(other).rows == verified(path).rows + 1


@pytest.mark.parametrize("harm", ["changed", "missing", "order", "no JSON", "no row", "NaN", "bad"])
def test_a_broken_export_is_refused_and_nothing_is_kept(harm: str, path: Path, tmp_path: Path) -> None:
    lines = lines_of(path)
    row = json.loads(lines[3])
    row["content"].pop("item", None)
    lines[3:5] = {
        "changed": [lines[3].replace("0.1.0", "0.2.0"), lines[4]],
        "missing": [lines[4]],
        "order": [lines[4], lines[3]],
        "no JSON": [lines[3][:-1], lines[4]],
        "no row": ["[]", lines[4]],
        "NaN": [lines[3].replace('"seed":0', '"seed":NaN'), lines[4]],
        "bad": [json.dumps(row), lines[4]],
    }[harm]
    with Database(str(tmp_path / "new.db"), create=True) as database:
        with pytest.raises(LedgerError, match="line 4 of 'x.jsonl'"):
            import_lines(database, lines, "x.jsonl")
        assert verify(database).rows == 0


def test_the_migrations_make_the_tables_that_are_used(whole: Path) -> None:
    (head,) = ScriptDirectory(str(databases._MIGRATIONS)).get_heads()
    assert head == REVISION
    with Database(str(whole)) as database, database.reading() as connection:
        assert compare_metadata(MigrationContext.configure(connection), METADATA) == []


def test_a_newer_schema_is_refused_in_one_line(path: Path) -> None:
    execute(path, "UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(LedgerError, match="Use the newer gatecast") as error:
        Database(str(path))
    assert "'9999'" in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize("url", ["", "mysql://root:secret@host/x", "sqlite://", "://", "postgresql+odd://x"])
def test_what_is_no_database_is_refused(url: str) -> None:
    with pytest.raises(UsageError) as error:
        Database(url, create=True)
    assert "secret" not in str(error.value)


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.db").write_text("prices\n" * 1000)
    with pytest.raises(LedgerError, match="cannot be used: file is not a database"):
        Database(str(tmp_path / "x.db"))


WRITERS = """
import os, random, signal, sys, time
from gatecast.ledger.database import Database
from gatecast.ledger.chain import append
from gatecast.ledger.records import Recorded
path, sample = sys.argv[1], Recorded.model_validate_json(sys.stdin.read())

def writer(name, times):
    child = os.fork()
    if not child:
        with Database(path, create=True) as database:
            for number in range(times):
                values = [sample.model_copy(update={"source": f"{name} {number} {part}"}) for part in range(3)]
                with database.writing() as connection:
                    append(connection, values)
        os._exit(0)
    return child

if sys.argv[2] == "race":
    for child in [writer(name, 15) for name in ("left", "right")]:
        assert os.waitpid(child, 0)[1] == 0
else:
    Database(path, create=True).close()
    moments = random.Random(0)
    for number in range(10):
        child = writer(f"killed {number}", 100_000)
        time.sleep(0.1 + moments.random() / 5)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
"""


def write(path: Path | str, how: str) -> None:
    """Processes that append three rows at a time: two in a race to make the ledger, or ten, each of them killed."""
    sample = recorded(TABLE["A"], 100).model_dump_json().encode()
    subprocess.run([sys.executable, "-c", WRITERS, str(path), how], input=sample, timeout=60, check=True)


def check_race(path: Path | str) -> None:
    write(path, "race")
    assert verified(path).rows == 2 * 15 * 3
    names = [json.loads(line)["content"]["source"].split()[0] for line in lines_of(path)]
    assert {name: names.count(name) for name in names} == {"left": 45, "right": 45}


def test_two_processes_keep_one_unbroken_chain(tmp_path: Path) -> None:
    check_race(tmp_path / "ledger.db")


def test_a_writer_that_is_killed_leaves_an_unbroken_chain(tmp_path: Path) -> None:
    """Ten times, at random moments; what it appends in one transaction is there whole or not at all."""
    path = tmp_path / "ledger.db"
    write(path, "kill")
    found = verified(path)
    assert found.rows > 0 and found.rows % 3 == 0
    names = {json.loads(line)["content"]["source"].split()[1] for line in lines_of(path)}
    assert len(names) > 3


def test_a_ledger_that_another_process_writes_is_waited_for_and_then_refused(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(databases, "WAIT", 0.1)
    with Database(str(path)) as first, Database(str(path)) as second, first.writing():
        with second.reading() as connection:
            assert head_of(connection).seq > 0  # readers do not wait
        with pytest.raises(LedgerError, match="try again when it has ended"), second.writing():
            pass


def test_a_full_disk_costs_no_record_that_was_kept(tmp_path: Path) -> None:
    folder = tmp_path / "small"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("needs the right to mount a small disk")
    path, kept = folder / "ledger.db", 0
    try:
        database = Database(str(path), create=True)
        with database, pytest.raises(LedgerError, match="cannot be used: .*(free some space|Check it)"):
            for number in range(1000):
                value = recorded(TABLE["A"], 100).model_copy(update={"source": str(number)})
                with database.writing() as connection:
                    append(connection, [value])
                kept += 1
        saved = tmp_path / "saved"
        shutil.copytree(folder, saved)
        assert kept > 10 and verified(saved / "ledger.db").rows == kept
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.fixture(scope="module")
def postgres() -> Iterator[str]:
    """The URL of an empty PostgreSQL, from Debian's package; absent, the test is skipped, except with CI=true."""
    import tempfile

    places = [*os.environ["PATH"].split(":"), *sorted(map(str, Path("/usr/lib/postgresql").glob("*/bin")))]
    binary = shutil.which("initdb", path=":".join(places))
    if binary is None:
        if os.environ.get("CI") == "true":
            pytest.fail("CI needs PostgreSQL: install Debian's package 'postgresql'")
        pytest.skip("needs PostgreSQL: Debian's package 'postgresql'")
    pytest.importorskip("psycopg")
    programs = Path(binary).resolve().parent
    user = "postgres" if os.getuid() == 0 else None  # it refuses to run as root
    temporary = Path(tempfile.gettempdir())
    if user:  # the temporary folder may be root's alone; the nearest around it that every user may enter
        around = (temporary, *temporary.parents)
        temporary = next(
            place for place in around if all(part.stat().st_mode & 0o001 for part in (place, *place.parents))
        )
    # Short: its socket's path has 107 characters at most.
    folder = Path(tempfile.mkdtemp(prefix="gatecast-", dir=temporary))
    try:
        if user:
            shutil.chown(folder, user)
        data = folder / "data"

        def do(*command: object) -> None:
            subprocess.run(list(map(str, command)), check=True, capture_output=True, user=user, cwd=folder)

        do(programs / "initdb", "-D", data, "-U", "gatecast", "-A", "trust", "--no-sync")
        options = f"-k {folder} -c listen_addresses='' -c fsync=off"
        do(programs / "pg_ctl", "-D", data, "-w", "-l", folder / "log", "-o", options, "start")
        try:
            yield f"postgresql://gatecast@/postgres?host={folder}"
        finally:
            do(programs / "pg_ctl", "-D", data, "-m", "immediate", "stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def test_postgresql_keeps_the_same_ledger(postgres: str, whole: Path) -> None:
    check_race(postgres)
    execute(postgres, "TRUNCATE entries, waiting, scores, daily, by_item")
    execute(postgres, "UPDATE head SET seq = 0, hash = :start", start=START)
    first = settled_ledger(postgres, TABLE, forecasts=3)
    with Database(postgres) as ours, Database(str(whole)) as theirs:
        void(ours, first[1], "a try")
        found, expected = (summarize(each).to_dict() for each in (ours, theirs))
        assert found["record"] == expected["record"] and verify(ours).rows == verify(theirs).rows
        with ours.reading() as connection:
            assert compare_metadata(MigrationContext.configure(connection), METADATA) == []
    execute(postgres, "UPDATE entries SET content = replace(content, '0.1.0', '0.1.1') WHERE seq = 2")
    with Database(postgres) as ours, pytest.raises(LedgerError, match=r"row 2 \("):
        verify(ours)
