"""Forecasts of thousands of assets: blocks of them spread over workers, a file each, done once."""
