"""Forecasts that were issued, kept before their outcome, and held against it."""
