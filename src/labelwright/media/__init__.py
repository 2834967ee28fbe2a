"""Content outside the database: content-addressed files."""
