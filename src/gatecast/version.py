"""The version, for a program that must not import the rest."""

__version__ = "0.1.0"
