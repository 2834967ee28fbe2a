"""The verbs: one function is one use case and one transaction. Doors call these and nothing below for writing."""
