"""Small local models that learn from the answers given so far: no key, no network, seconds to train.

`train` makes a labeler for every question it can learn; `load` brings one back from its bytes (arrays and JSON, no code).
Source of the recipes: linear models over hashed n-grams (Joachims 1998) and token classification with constrained
decoding (Ratinov and Roth 2009).
"""

from labelwright.training.labeler import LocalLabeler, load, train

__all__ = ["LocalLabeler", "load", "train"]
