"""Tools for people who work on Labelwright itself."""
