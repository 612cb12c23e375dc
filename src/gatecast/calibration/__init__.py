"""Bands that hold: online calibration of past forecasts' coverage."""
