"""Networks trained elsewhere at work: any ONNX detector or segmenter with a declared output layout.

Three names for the rest of the house: a `Runner` looks at pictures, `Runners` keeps those that are idle a while, `Crashed`
says that a model ended its process.
"""

from labelwright.detectors.runner import Crashed, Runner, Runners

__all__ = ["Crashed", "Runner", "Runners"]
