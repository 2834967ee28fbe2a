"""Labelwright: foundation models do the first pass, people judge it, and the tool tells the truth about the outcome."""

__version__ = "0.1.0"
