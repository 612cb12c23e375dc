"""Which column is what: by name in many languages, by shape, by what tells rows apart, and by what the caller says."""

# ruff: noqa: RUF001 - words of many scripts

from __future__ import annotations

import csv
import re
import unicodedata
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import typer
from jaxtyping import TypeCheckError
from typer.testing import CliRunner

from conftest import texts
from gatecast.cli import app
from gatecast.cli.options import reads_source
from gatecast.errors import UnreadableSource, UsageError
from gatecast.prices import PriceTable
from gatecast.readers.choices import COLUMNS, ReadOptions
from gatecast.readers.languages import NAMES
from gatecast.readers.read import read_prices, read_source

FIELDS = ("date", "open", "high", "low", "close", "volume")
NONSENSE = ("Qa", "Qb", "Qc", "Qd", "Qe", "Qf")
HEADERS = {
    "German": "Datum;Eröffnung;Hoch;Tief;Schlusskurs;Volumen",
    "French": "Date;Ouverture;Plus haut;Plus bas;Clôture;Volume",
    "Spanish": "Fecha;Apertura;Máximo;Mínimo;Cierre;Volumen",
    "Portuguese": "Data;Abertura;Máxima;Mínima;Fechamento;Volume",
    "Italian": "Data;Apertura;Massimo;Minimo;Chiusura;Volumi",
    "Dutch": "Datum;Opening;Hoog;Laag;Slot;Volume",
    "Polish": "Data;Otwarcie;Najwyższy;Najniższy;Zamknięcie;Wolumen",
    "Czech": "Datum;Otevření;Nejvyšší;Nejnižší;Závěr;Objem",
    "Turkish": "Tarih;Açılış;Yüksek;Düşük;Kapanış;Hacim",
    "Russian": "Дата;Открытие;Максимум;Минимум;Закрытие;Объём",
    "simplified Chinese": "日期;开盘;最高;最低;收盘;成交量",
    "traditional Chinese": "日期;開盤價;最高價;最低價;收盤價;成交股數",
    "Japanese": "日付;始値;高値;安値;終値;出来高",
    "Korean": "날짜;시가;고가;저가;종가;거래량",
    "Bloomberg": "Date;PX_OPEN;PX_HIGH;PX_LOW;PX_LAST;PX_VOLUME",
    "units": "Date;1a. open (CNY);2a. high (CNY);3a. low (CNY);4a. close (CNY);Volume [shares]",
}


def ohlcv(rows: int = 60, seed: int = 0, start: float = 100.0, volatility: float = 0.015) -> pd.DataFrame:
    """One asset's days, as an exchange makes them: the open is near the close before."""
    rng = np.random.default_rng(seed)
    close = start * np.exp(np.cumsum(volatility * rng.standard_t(5, rows)))
    opens = np.append(close[0], close[:-1]) * np.exp(rng.normal(0, 0.4 * volatility, rows))
    high = np.maximum(opens, close) * np.exp(abs(rng.normal(0, volatility / 2, rows)))
    low = np.minimum(opens, close) * np.exp(-abs(rng.normal(0, volatility / 2, rows)))
    volume = np.round(1e6 * np.exp(rng.normal(0, 0.4, rows)))
    days = pd.bdate_range("2021-01-04", periods=rows).strftime("%Y-%m-%d")
    prices = {"open": opens, "high": high, "low": low, "close": close}
    return pd.DataFrame({"date": days, **{name: column.round(4) for name, column in prices.items()}, "volume": volume})


def read(folder: Path, text: str, **said: str | bool) -> PriceTable:
    path = folder / "ACME.csv"
    path.write_text(text, encoding="utf-8")
    return read_source(path, ReadOptions(**said))


def holds(table: PriceTable, frame: pd.DataFrame) -> None:
    (series,) = table
    assert series.item_id == "ACME"
    for name, column in series.columns().items():
        assert column.tolist() == frame[name].tolist(), name
    assert set(series.columns()) == set(frame.columns) - {"date"}


@pytest.mark.parametrize("language", HEADERS)
@pytest.mark.parametrize("spelling", ["as written", "without accents", "capitals"])
def test_a_language_is_known_by_its_names(language: str, spelling: str, tmp_path: Path) -> None:
    header = HEADERS[language]
    if spelling == "without accents":
        plain = unicodedata.normalize("NFKD", header.replace("ı", "i").replace("ł", "l"))
        header = "".join(letter for letter in plain if unicodedata.category(letter) != "Mn" or ord(letter) > 0x3000)
    elif spelling == "capitals":
        header = header.upper()
    frame = ohlcv()
    table = read(
        tmp_path, frame.to_csv(index=False, sep=";", header=False, lineterminator="\n").join([header + "\n", ""])
    )
    holds(table, frame)
    assert table.all_notes() == ()


@pytest.mark.parametrize("language", [language for language in NAMES if language != "any"])
def test_every_name_of_the_tables_is_taken_for_what_it_says(language: str, tmp_path: Path) -> None:
    frame = ohlcv(rows=8)
    for kind in FIELDS:
        for name in NAMES[language][kind]:
            if name in ("y", "value") or (len(name) == 1 and name.isascii()):
                continue  # these depend on the other columns
            head = [name if field == kind else NAMES[language][field][0] for field in FIELDS]
            holds(read(tmp_path, frame.set_axis(head, axis=1).to_csv(index=False)), frame)


@pytest.mark.parametrize("order", [(0, 1, 2, 3, 4, 5), (5, 4, 3, 2, 1, 0), (0, 4, 1, 3, 2, 5), (2, 5, 1, 0, 4, 3)])
@pytest.mark.parametrize("newest_first", [False, True])
@pytest.mark.parametrize("seed", range(3))
def test_ohlcv_without_names_is_one_asset(
    order: tuple[int, ...], newest_first: bool, seed: int, tmp_path: Path
) -> None:
    frame = ohlcv(seed=seed, volatility=(0.004, 0.015, 0.05)[seed])
    shuffled = frame.set_axis(NONSENSE, axis=1)[[NONSENSE[at] for at in order]]
    table = read(tmp_path, (shuffled[::-1] if newest_first else shuffled).to_csv(index=False))
    holds(table, frame)
    assert (
        "'Qb' as open, 'Qc' as high, 'Qd' as low, 'Qe' as close, 'Qf' as volume by their values"
        in texts(table.notes)[0]
    )


def test_without_a_volume_the_open_tells_which_price_is_which(tmp_path: Path) -> None:
    frame = ohlcv().drop(columns="volume")
    holds(read(tmp_path, frame.set_axis(NONSENSE[:5], axis=1).to_csv(index=False)), frame)
    # Opens that have nothing to do with the close before are prices of other assets.
    mixed = frame.assign(**{name: frame[name].iloc[::-1].to_numpy() for name in ("open", "high", "low")})
    mixed["high"] = mixed[["open", "high", "low", "close"]].max(axis=1) + 0.01
    mixed["low"] = mixed[["open", "high", "low", "close"]].min(axis=1) - 0.01
    assert len(read(tmp_path, mixed.set_axis(NONSENSE[:5], axis=1).to_csv(index=False)).item_ids) == 4


def test_a_close_alone_without_a_name_is_found_beside_known_columns(tmp_path: Path) -> None:
    frame = ohlcv()
    table = read(tmp_path, frame.rename(columns={"close": "Qx"}).to_csv(index=False))
    holds(table, frame)
    assert "'Qx' as close by their values" in texts(table.notes)[0]


def test_old_rows_with_a_close_alone_hide_no_shape(tmp_path: Path) -> None:
    frame = ohlcv(rows=1200)
    for name in ("open", "high", "low"):
        frame.loc[:599, name] = frame["close"]
    holds(read(tmp_path, frame.set_axis(NONSENSE, axis=1).to_csv(index=False)), frame)


def test_a_channel_around_a_close_is_no_day(tmp_path: Path) -> None:
    frame = ohlcv(rows=200)[["date", "close", "volume"]]
    over = frame["close"].rolling(5, min_periods=1)
    channel = frame.assign(top=over.max() * 1.0001, bottom=over.min() * 0.9999, average=over.mean())
    assert set(read(tmp_path, channel.to_csv(index=False))["ACME"].columns()) == {"close", "volume"}


def test_a_table_that_may_be_one_asset_says_so(tmp_path: Path) -> None:
    table = read(tmp_path, ohlcv(rows=4).set_axis(NONSENSE, axis=1).to_csv(index=False))
    assert len(table.item_ids) == 5  # too few rows to be sure
    assert "'Qf' looks like a volume: if they are one asset's, pass close=\"Qb\"" in texts(table.notes)[0]
    moves = 0.01 * (-1.0) ** np.arange(60)
    close = 100 * np.exp(np.cumsum(moves))
    opens = close * np.exp(0.3 * moves)  # nearer to the close of their own day than to that of the day before
    high, low = np.maximum(opens, close) * 1.001, np.minimum(opens, close) / 1.001
    far = pd.DataFrame(dict(zip(NONSENSE, (ohlcv()["date"], opens, high, low, close), strict=False)))
    table = read(tmp_path, far.to_csv(index=False))
    assert len(table.item_ids) == 4
    assert "'Qc' is the highest and 'Qd' the lowest in every row: if they are one asset's" in texts(table.notes)[0]


@pytest.mark.parametrize("seed", range(5))
def test_assets_that_are_near_each_other_stay_assets(seed: int, tmp_path: Path) -> None:
    walks = {f"T{at}": ohlcv(seed=10 * seed + at, start=100 + 3 * at)["close"] for at in range(5)}
    days = ohlcv()["date"]
    assert read(tmp_path, pd.DataFrame({"day": days, **walks}).to_csv(index=False)).item_ids == tuple(walks)
    parallel = {term: walks["T0"] * (1 + at / 100) for at, term in enumerate(("2Y", "5Y", "10Y", "30Y"))}
    parallel["coin"] = ohlcv(seed=seed)["volume"]
    assert read(tmp_path, pd.DataFrame({"day": days, **parallel}).to_csv(index=False)).item_ids == tuple(parallel)
    # Yields are near each other and in the same order every day, and a coin's price moves as a volume does.
    yields = {term: 4 + 0.15 * at + 0.01 * walks["T0"] for at, term in enumerate(("2Y", "5Y", "10Y", "30Y"))}
    yields["coin"] = ohlcv(seed=seed)["volume"]
    assert read(tmp_path, pd.DataFrame({"day": days, **yields}).to_csv(index=False)).item_ids == tuple(yields)


@pytest.mark.parametrize("name", ["tic", "Company", "Asset_ID", "SecuritiesCode", "ISIN", "Firma", "Qx"])
@pytest.mark.parametrize("ids", [("AAA", "BBB", "CCC"), ("1301", "1332", "7203")])
@pytest.mark.parametrize("by", ["date", "item"])
def test_an_asset_column_of_any_name(name: str, ids: tuple[str, ...], by: str, tmp_path: Path) -> None:
    frames = {item: ohlcv(seed=at, start=50.0 * (at + 1)) for at, item in enumerate(ids)}
    long = pd.concat(
        [frame.assign(weekday=3, factor=frame["close"] / 7, **{name: item}) for item, frame in frames.items()]
    )
    text = (long.sort_values("date", kind="stable") if by == "date" else long).to_csv(index=False)
    table = read(tmp_path, text)
    assert table.item_ids == ids
    for item, frame in frames.items():
        assert table[item].close.tolist() == frame["close"].tolist()
    assert texts(table.notes)[0] == f"took column '{name}' as the asset: dates repeat, and it tells their rows apart."
    assert read_prices(long, item=name).item_ids == ids


def test_a_long_table_without_known_names(tmp_path: Path) -> None:
    frames = [ohlcv(seed=at, start=50.0 * (at + 1)).set_axis(NONSENSE, axis=1).assign(Qx=f"T{at}") for at in range(3)]
    long = pd.concat(frames).sort_values("Qa", kind="stable")
    table = read(tmp_path, long.to_csv(index=False))
    assert [series.close[-1] for series in table] == [frame["Qe"].iloc[-1] for frame in frames]
    table = read(tmp_path, long[["Qa", "Qx", "Qe"]].to_csv(index=False))
    assert table.item_ids == ("T0", "T1", "T2") and "took column 'Qe' as close." in texts(table.notes)


def test_rows_of_other_assets_are_never_offered_to_be_dropped(tmp_path: Path) -> None:
    long = pd.concat([ohlcv(seed=at)[["date", "close"]] for at in range(3)])
    ranked = long.assign(rank=np.repeat([1, 2, 3], 60))
    rule = r"rows of several assets need a column"
    for frame in (long, ranked, long.rename(columns={"close": "Qx"})):
        for repair in (False, True):
            with pytest.raises(UnreadableSource, match=rule) as error:
                read_prices(frame, repair=repair)
            assert "repair=" not in str(error.value)
            assert ('item="rank"' in str(error.value)) == (frame is ranked)
            assert ("if 'rank' is a time of day" in str(error.value)) == (frame is ranked)


def test_a_few_repeated_dates_are_no_assets() -> None:
    """A column that happens to tell two conflicting rows apart makes no asset of each of its words."""
    frame = ohlcv().assign(status="final")
    twice = pd.concat([frame, frame.iloc[[9]].assign(close=101.0, status="first")])
    assert read_prices(twice, repair=True).item_ids == ("item",)


def test_headerless_files(tmp_path: Path) -> None:
    frame = ohlcv()
    ticks = pd.to_datetime(frame["date"]).to_numpy().astype("datetime64[us]").astype(np.int64)
    klines = frame.assign(date=ticks, end=ticks + 86_399_999_999, quote=frame["close"] * frame["volume"], trades=1000)
    klines = klines.assign(base=frame["volume"] / 2, quote_base=1.5, ignore=0)
    for columns in (12, 11, 6):
        table = read(tmp_path, klines.iloc[:, :columns].to_csv(index=False, header=False))
        holds(table, frame)
        assert "there is no header; took column '2' as open, '3' as high" in texts(table.notes)[0]
    holds(read(tmp_path, frame.to_csv(index=False, header=False, sep=";")), frame)
    mt4 = pd.concat([frame["date"].str.replace("-", "."), pd.Series(["00:00"] * 60), frame.iloc[:, 1:]], axis=1)
    holds(read(tmp_path, mt4.to_csv(index=False, header=False)), frame)
    two = frame[["date", "close"]].to_csv(index=False, header=False)
    with pytest.raises(UnreadableSource, match=r"the first line holds '2021-01-04'.*header=False.*close=\"2\""):
        read(tmp_path, two)
    holds(read(tmp_path, two, header=False), frame[["date", "close"]])
    three = frame[["date", "close", "open"]].to_csv(index=False, header=False)
    with pytest.raises(UnreadableSource, match=r"pass close=\"2\""):
        read(tmp_path, three, header=False)
    holds(read(tmp_path, three, header=False, close="2", open="3"), frame[["date", "close", "open"]])


def test_what_the_caller_says_is_what_is_read(tmp_path: Path) -> None:
    frame = ohlcv()
    text = frame.set_axis(NONSENSE, axis=1).assign(Close=1.0).to_csv(index=False)
    said = dict(zip(FIELDS, NONSENSE, strict=True))
    holds(read(tmp_path, text, **said), frame)
    adjusted = frame.assign(**{"adj close": frame["close"] / 2})
    holds(read(tmp_path, adjusted.to_csv(index=False), close="CLOSE"), frame)  # named: forecast as it is
    halved = frame.assign(close=frame["close"] / 2)[["date", "close"]]
    holds(read(tmp_path, adjusted[["date", "close", "adj close"]].to_csv(index=False), close="Adj Close"), halved)
    assert read_prices(frame.rename(columns={"close": "Kurs"}), close="Kurs")["item"].close[0] == frame["close"][0]


def test_refusals_about_columns_name_the_option(tmp_path: Path) -> None:
    frame = ohlcv()
    for text, said, words in (
        (frame.drop(columns="date").to_csv(index=False), {}, r'needs a date column.*pass date="open"'),
        ("date,open,high,low,Qx\n2021-01-04,1,3,1,2\n", {}, r'no price column.*pass close="Qx"'),
        (frame.to_csv(index=False), {"close": "Zamk"}, r"'Zamk' is not among 'date'.*close=\"close\""),
        (frame.to_csv(index=False), {"item": "Firma"}, r"'Firma' is not among 'date'.*Pass one of these\.$"),
    ):
        with pytest.raises(UnreadableSource, match=words):
            read(tmp_path, text, **said)


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"close": 3}, "close is a name in the source; got 3"),
        ({"date": " "}, "date is a name"),
        ({"decimal": "dot"}, "the decimal sign is"),
        ({"day_first": "yes"}, "day_first is True or False"),
        ({"header": None}, "header is True or False"),
        ({"close": "A", "open": "A"}, "a column is used once; 'A' is given twice"),
    ],
)
def test_what_cannot_be_meant_is_refused(said: dict[str, object], words: str) -> None:
    with pytest.raises((UsageError, TypeCheckError)) as caught:  # `make check` looks at types before the code does
        ReadOptions(**said)  # type: ignore[arg-type]
    assert isinstance(caught.value, TypeCheckError) or re.search(words, str(caught.value))


def test_a_volume_of_zeros_gives_way_to_the_tick_volume(tmp_path: Path) -> None:
    frame = ohlcv().rename(columns={"volume": "<TICKVOL>"}).assign(**{"<VOL>": 0, "<SPREAD>": 3})
    table = read(tmp_path, frame.to_csv(index=False))
    assert table["ACME"].volume is not None and table["ACME"].volume.tolist() == frame["<TICKVOL>"].tolist()
    assert texts(table.notes)[0] == "took column '<TICKVOL>' as volume: '<VOL>' is 0 or blank in every row."


def test_a_large_volume_is_no_date(tmp_path: Path) -> None:
    frame = ohlcv()
    ticks = pd.to_datetime(frame["date"]).to_numpy().astype("datetime64[ms]").astype(np.int64)
    letters = pd.DataFrame({"v": frame["volume"] * 1000, "vw": frame["close"], "o": frame["open"], "c": frame["close"]})
    letters = letters.assign(h=frame["high"], l=frame["low"], t=ticks, n=9000)
    holds(read(tmp_path, letters.to_csv(index=False)), frame.assign(volume=frame["volume"] * 1000))
    unnamed = letters[["v", "c", "t"]].set_axis(["Qv", "Qc", "Qt"], axis=1)
    table = read(tmp_path, unnamed.to_csv(index=False), close="Qc")
    assert str(table["ACME"].timestamps[0])[:10] == "2021-01-04"


def test_title_lines_before_the_header(tmp_path: Path) -> None:
    frame = ohlcv()
    for header in ("Date,Open,High,Low,PX_LAST,PX_VOLUME", "Qa,Open,High,Low,PX_LAST,PX_VOLUME"):
        title = "Security,ACME US Equity\nStart Date,1/2/2020\nPeriod,D\n,\n"
        body = frame.to_csv(index=False, header=False)
        table = read(tmp_path, f"{title}{header}\n{body}")
        holds(table, frame)
        assert texts(table.notes) == ("skipped 3 lines before the header.",)


@pytest.mark.parametrize("joined", ["{item}.{field}", "{field}_{item}", "('{field}', '{item}')", "{item} {field}"])
def test_names_that_join_field_and_asset(joined: str, tmp_path: Path) -> None:
    frames = {item: ohlcv(seed=at) for at, item in enumerate(("AAPL", "BRK-B"))}
    wide = pd.concat(
        [
            frame[list(FIELDS[1:])].rename(
                columns=lambda field, item=item: joined.format(field=field.title(), item=item)
            )
            for item, frame in frames.items()
        ],
        axis=1,
    )
    wide.insert(0, "Date", frames["AAPL"]["date"])
    table = read(tmp_path, wide.to_csv(index=False))
    assert table.item_ids == ("AAPL", "BRK-B")
    assert table["BRK-B"].high is not None and table["BRK-B"].high.tolist() == frames["BRK-B"]["high"].tolist()


def test_the_options_of_the_command_are_one_value(tmp_path: Path) -> None:
    seen: list[ReadOptions] = []
    small = typer.Typer()

    @small.command()
    @reads_source
    def show(source: str, *, reading: ReadOptions) -> None:
        seen.append(reading)

    options = [part for name in COLUMNS for part in (f"--{name}", name.upper())]
    arguments = ["x.csv", *options, "--sheet", "S", "--no-header", "--month-first", "--decimal", ","]
    assert CliRunner().invoke(small, arguments).exit_code == 0
    assert CliRunner().invoke(small, ["x.csv"]).exit_code == 0
    said = {name: name.upper() for name in COLUMNS}
    assert seen == [ReadOptions(**said, sheet="S", header=False, day_first=False, decimal=","), ReadOptions()]


@pytest.mark.parametrize("command", ["forecast", "backtest", "ablate", "explain"])
def test_every_command_that_reads_prices_takes_the_options(command: str, tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text(ohlcv().to_csv(index=False))
    result = CliRunner().invoke(app, [command, str(path), "--close", "Zamk"])
    assert isinstance(result.exception, UnreadableSource) and 'close="close"' in str(result.exception)


CASES = (
    "stooq_pl.csv", "akshare_cn.csv", "german_export.csv", "finrl_tic.csv", "company_column.csv", "mt5_h1.tsv",
    "polygon_raw_bigvolume.csv", "bloomberg_px.csv", "binance_klines_us_noheader.csv",
)  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_files_as_people_have_them(name: str, shared_data: Path) -> None:
    with open(shared_data / "cases" / "expected.csv", encoding="utf-8") as lines:
        expected = next(row for row in csv.DictReader(lines) if row["file"] == name)
    table = read_prices(shared_data / "cases" / name)
    series = table[expected["item"]] if expected["item"] else table.series[0]
    assert len(table.item_ids) == int(expected["items"])
    assert series.close[-1] == pytest.approx(float(expected["last_close"]), abs=1e-3)
    assert str(series.timestamps[-1])[:10] == expected["last_day"]
    assert series.volume is not None and (series.volume > 0).all()


def two_assets(name: str, second: str, first: str = "2024-01-01") -> str:
    """Rows of OLD above those of NEW, which begin on `second`."""
    spans = {"OLD": pd.bdate_range(first, periods=40), "NEW": pd.bdate_range(second, periods=40)}
    rows = [f"{day:%Y-%m-%d},{asset},{50 + at % 7}" for asset, days in spans.items() for at, day in enumerate(days)]
    return "\n".join([f"date,{name},close", *rows]) + "\n"


@pytest.mark.parametrize("second", ["2025-01-01", "2024-02-21"])
def test_assets_without_a_common_date_are_not_joined(tmp_path: Path, second: str) -> None:
    table = read(tmp_path, two_assets("Name", second))
    assert table.item_ids == ("OLD", "NEW")
    assert any(note.startswith("took column 'Name' as the asset: ") for note in texts(table.notes))
    with pytest.raises(UnreadableSource, match=r"column 'contract' has 'OLD' above 'NEW'.*Pass item=\"contract\""):
        read(tmp_path, two_assets("contract", second))


@pytest.mark.parametrize("name", ["Name", "contract"])
def test_a_share_that_was_renamed_stays_one_asset(tmp_path: Path, name: str) -> None:
    assert len(read(tmp_path, two_assets(name, "2024-02-26"))) == 1  # the business day after OLD's last
