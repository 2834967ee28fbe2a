"""XML from strangers: no document types, so no entities and nothing fetched; bounded depth and size; read by pieces."""

import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from typing import Any, BinaryIO
from xml.parsers import expat

from labelwright.core.errors import Invalid
from labelwright.core.problem import excerpt

MAX_DEPTH = 60
MAX_PIECE_BYTES = 64 * 2**20
CHUNK = 1 << 16

_UNWRITABLE = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def pieces(file: BinaryIO, name: str) -> Iterator[tuple[str, ET.Element]]:
    """(name of the root, child of it), one after the other; a large document needs the memory of one child.

    Raises:
        Invalid: Not well-formed, a document type, too deep, a child too large.
    """
    builder, depth, root, done = ET.TreeBuilder(), 0, "", list[ET.Element]()
    began = 0
    parser = expat.ParserCreate()
    parser.buffer_text = True

    def start(tag: str, attributes: dict[str, str]) -> None:
        nonlocal depth, root, began
        depth += 1
        if depth > MAX_DEPTH:
            raise Invalid("bad_xml", f"{name} is nested deeper than {MAX_DEPTH} levels")
        if depth == 1:
            root = tag
        else:
            if depth == 2:
                began = parser.CurrentByteIndex
            builder.start(tag, attributes)

    def end(tag: str) -> None:
        nonlocal depth, builder
        if depth > 1:
            builder.end(tag)
        if depth == 2:
            done.append(builder.close())
            builder = ET.TreeBuilder()
        depth -= 1

    def data(text: str) -> None:
        if depth > 1:
            builder.data(text)

    def doctype(*_: Any) -> None:
        # No labelling tool writes one; with one come entities that grow without bound or name files of this machine.
        raise Invalid(
            "bad_xml", f"{name} has a document type, which is not read", "remove the line `<!DOCTYPE`"
        )

    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.CharacterDataHandler = data
    parser.StartDoctypeDeclHandler = doctype
    while True:
        chunk = file.read(CHUNK)
        try:
            parser.Parse(chunk, not chunk)
        except (expat.ExpatError, ValueError, LookupError) as error:
            yield from ((root, each) for each in done)
            raise Invalid("bad_xml", f"{name} is not XML: {excerpt(str(error), 120)}") from None
        if depth > 1 and parser.CurrentByteIndex - began > MAX_PIECE_BYTES:
            raise Invalid("bad_xml", f"an element of {name} is larger than {MAX_PIECE_BYTES // 2**20} MiB")
        yield from ((root, each) for each in done)
        done.clear()
        if not chunk:
            return


def text_of(element: ET.Element | None, path: str) -> str:
    """The text of a child, stripped; empty when it is not there."""
    found = element.find(path) if element is not None else None
    return (found.text or "").strip() if found is not None else ""


def writable(text: str) -> str:
    """A text as XML can hold it: what it forbids becomes U+FFFD."""
    return _UNWRITABLE.sub("\N{REPLACEMENT CHARACTER}", text)


def number(text: str | None) -> float | None:
    """A plain finite decimal number; None for anything else."""
    # `float` would also take `nan`, `1_0` and digits of other scripts.
    if text is None or not re.fullmatch(r"\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,3})?\s*", text, re.ASCII):
        return None
    found = float(text)
    return found if abs(found) < 1e12 else None
