"""Files in and out: one module per format. Nothing is dropped silently, and everything streams.

`open_source` reads any known file as a stream of assets and problems; `writer` gives the exporter of a format.
"""

from labelwright.formats.mapping import Mapping
from labelwright.formats.registry import READERS, WRITERS, open_source, sniff, writer

__all__ = ["READERS", "WRITERS", "Mapping", "open_source", "sniff", "writer"]
