"""Names that pages and figures show for the parts of a network and for its inputs."""

from __future__ import annotations

FAMILY_NAMES = {
    "rnn": "RNN",
    "gru": "GRU",
    "lstm": "LSTM",
    "lstm_forget_5": "LSTM, forget bias +5",
    "tcn": "TCN",
    "transformer": "Transformer",
}
PART_NAMES = {
    "forget_gate": "Forget gate",
    "input_gate": "Input gate",
    "output_gate": "Output gate",
    "update_gate": "Update gate",
    "reset_gate": "Reset gate",
    "candidate": "Candidate",
    "cell_state": "Cell state",
    "hidden": "Hidden state",
}
FEATURE_NAMES = {
    "log_return": "Log return",
    "simple_return": "Simple return",
    "price_level": "Price level",
    "log_volatility": "Volatility (log)",
    "sma_20_ratio": "Price / 20-day mean",
    "macd_12_26": "MACD 12/26",
    "rsi_14": "RSI 14",
    "bollinger_position": "Bollinger position",
    "log_range": "Day's range (log)",
    "volume_z": "Volume",
    "log_slow_volatility": "Slow volatility (log)",
    "move": "Move",
    "move_size": "Size of the move",
    "range_today": "Day's range",
    "overnight_share": "Moves against ranges",
    "falls_share": "Share of falls",
    "volume_today": "Volume",
    "volume_2_days": "Volume, 2-day mean",
    "all_move": "All items: move",
    "all_move_size": "All items: size of moves",
    "all_range_today": "All items: range",
    "all_spread": "All items: spread of moves",
    "all_mean_move": "All items: size of mean move",
    "own_against_all": "Own volatility against all",
    "expected_quarters": "Expected: same day of quarters",
    "expected_near": "Expected: days near it",
    "expected_excess": "Expected: several quarters",
    "expected_near_excess": "Expected: several, near it",
    "next_day_events": "Events due next day",
    **{f"momentum_{days}": f"Momentum {days}" for days in (5, 10, 20, 60)},
    **{f"size_{days}_days": f"Moves, {days}-day mean" for days in (2, 5, 20, 50)},
    **{f"range_{days}_days": f"Ranges, {days}-day mean" for days in (2, 5, 20, 50)},
    **{f"all_range_{days}_days": f"All items: ranges, {days} days" for days in (2, 5, 50)},
}


def feature_name(feature: str) -> str:
    """What a page calls a feature; those of events are named by the user's own kinds.

    >>> feature_name("move"), feature_name("earnings: until")
    ('Move', 'Earnings: until')
    """
    return FEATURE_NAMES.get(feature, feature[:1].upper() + feature[1:])
