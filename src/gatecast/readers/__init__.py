"""From any price source to a checked `PriceTable`; `read.read_prices` takes the steps in this order.

- `sources`: a file, standard input, a sample or Yahoo becomes bytes or a frame; so does a table of polars or pyarrow.
- `cells`: bytes or a frame become a grid of cells; encoding, separator, Parquet. `workbooks` does it for spreadsheets,
  `json_tables` for JSON (nested rows and several assets: `json_assets`), `large` block by block for CSV files of more
  than 64 MB.
- `endings`: a last line that was cut off is dropped.
- `headers`: the header rows of a text file become column names; 1, 2, ... where there are none; tables
  that stand `side_by_side` become one.
- `date_parts`: columns of years, months and days become one of dates.
- `layouts`: which columns are dates (`date_columns`), items (`items`; `blocks` of assets without a common date), prices
  and volume; long or `wide`. Names decide (`fields`, with `names`, from the tables in `languages`), else values
  (`shapes`); what the caller said (`choices`) goes before both.
- `rows`, with `dates` (`date_cells`, spelled in `spellings` amid `date_words`; `column_dates` are those that only their
  column explains, `day_month` finds their order), `numbers` (both in plain `characters`) and `asides`: cells become
  timestamps and floats; dividend lines, footnotes and rows without a usable date go; the rest is divided by item.
- `repairs`, with `live_rows`, `misdated_bars`, `splits` (which are beyond doubt: `split_evidence`) and `diagnostics`:
  an item's rows become a `PriceSeries`; each repair and remark is a note.
- `events`: a source of dated events, or a column of them beside the prices, becomes `Events`.

`findings` collects the notes and the unsafe repairs; these are refused unless `repair` is given.

What is blank is treated here:

- a line without date and price: skipped by `asides.lines_without_prices`, as lines of words are
- the date of a row with prices: refused, or the row dropped with `repair`, by `rows._usable_dates`
- the item of a row: the same, by `rows._rows_by_item`
- a whole column without a name: left out by `headers._without_unnamed`
- rows between an item's prices that are blank in every field, or have a volume of 0 alone: dropped by
  `repairs._drop_days_without_trade` as days on which it did not trade
- rows before an item's first price and after its last: dropped by `repairs._trim_blank_ends`
- a close in another row between them: refused, or its row dropped with `repair`, by `repairs._check_closes`
- an open, high or low: refused, or replaced by the close with `repair`, by `repairs._check_other_prices`
- a volume: set to 0 by `repairs._fill_volume`
- most of a column: the column is ignored by `repairs._drop_blank_columns`

What counts as blank is in `numbers.BLANKS` and, of dates, in `date_cells.BLANKS`.
"""
