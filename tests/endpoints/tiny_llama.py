"""llama.cpp's own server with tiny random weights, made here: protocol truth without downloading anything.

Hides how the weights file is written and how the server is run in a process of its own. The answers are noise, but
tokenisation, grammar, log-probabilities and errors are those of the real thing.

    python -m tests.endpoints.tiny_llama --port 8098
"""

import argparse
import importlib.util
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

CONTEXT_TOKENS = 4096
"""Context of one slot."""

_WORDS = ("positive", "negative", "neutral", " the")
_DIM = 32
_TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{m['role']}}\n{{m['content']}}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def missing() -> str:
    """Why the server cannot run here; empty when it can."""
    absent = [name for name in ("xllamacpp", "gguf", "numpy") if importlib.util.find_spec(name) is None]
    return f"not installed: {', '.join(absent)}" if absent else ""


def _letters() -> dict[int, str]:
    """Byte -> the printable letter that byte-level vocabularies write for it (as in GPT-2)."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    shown = list(plain)
    for byte in range(256):
        if byte not in plain:
            shown.append(256 + len(shown) - len(range(33, 127)) - len(range(161, 173)) - len(range(174, 256)))
            plain.append(byte)
    return {byte: chr(code) for byte, code in zip(plain, shown, strict=True)}


def _vocabulary() -> tuple[list[str], list[int], list[str]]:
    """(tokens, their types, merges): bytes, a few words of one token each, and the two marks of the chat template."""
    letters = _letters()
    tokens = [letters[byte] for byte in range(256)]
    types, merges = [1] * 256, []
    for word in _WORDS:
        joined = ""
        for letter in (letters[byte] for byte in word.encode()):
            if joined:
                merge = f"{joined} {letter}"
                if merge not in merges:
                    merges.append(merge)
            joined += letter
            if joined not in tokens:
                tokens.append(joined)
                types.append(1)
    tokens += ["<|im_start|>", "<|im_end|>"]
    types += [3, 3]
    return tokens, types, merges


def write_weights(path: Path, seed: int = 1) -> None:
    """A text model of about 130 kB with random weights."""
    import gguf
    import numpy as np

    tokens, types, merges = _vocabulary()
    start, end = len(tokens) - 2, len(tokens) - 1
    while len(tokens) % 32:
        tokens.append(f"<unused{len(tokens)}>")
        types.append(5)
    rng = np.random.default_rng(seed)
    out: Any = gguf.GGUFWriter(str(path), "llama")
    out.add_tokenizer_model("gpt2")
    out.add_tokenizer_pre("gpt-2")
    out.add_token_list(tokens)
    out.add_token_types(types)
    out.add_token_merges(merges)
    out.add_bos_token_id(start)
    out.add_eos_token_id(end)
    out.add_add_bos_token(False)
    out.add_context_length(32_768)
    out.add_embedding_length(_DIM)
    out.add_block_count(1)
    out.add_feed_forward_length(64)
    out.add_head_count(2)
    out.add_head_count_kv(2)
    out.add_layer_norm_rms_eps(1e-5)
    out.add_rope_dimension_count(_DIM // 2)
    out.add_vocab_size(len(tokens))
    out.add_file_type(0)
    out.add_chat_template(_TEMPLATE)

    def tensor(name: str, *shape: int, scale: float = 1.0) -> None:
        out.add_tensor(name, (rng.standard_normal(shape) * scale).astype(np.float32))

    tensor("token_embd.weight", len(tokens), _DIM)
    tensor("output.weight", len(tokens), _DIM, scale=0.25)
    out.add_tensor("output_norm.weight", np.ones(_DIM, np.float32))
    for name in ("attn_norm", "ffn_norm"):
        out.add_tensor(f"blk.0.{name}.weight", np.ones(_DIM, np.float32))
    for name in ("attn_q", "attn_k", "attn_v", "attn_output"):
        tensor(f"blk.0.{name}.weight", _DIM, _DIM, scale=_DIM**-0.5)
    tensor("blk.0.ffn_gate.weight", 64, _DIM, scale=_DIM**-0.5)
    tensor("blk.0.ffn_up.weight", 64, _DIM, scale=_DIM**-0.5)
    tensor("blk.0.ffn_down.weight", _DIM, 64, scale=0.125)
    out.write_header_to_file()
    out.write_kv_data_to_file()
    out.write_tensors_to_file()
    out.close()


def serve(weights: Path, port: int) -> None:
    """Run the server in this process, for ever."""
    import xllamacpp

    p = xllamacpp.CommonParams()
    p.model.path = str(weights)
    # The context is divided by the number of slots.
    p.n_ctx, p.n_parallel = 2 * CONTEXT_TOKENS, 2
    p.port, p.ui, p.warmup, p.verbosity = port, False, False, 1
    # More threads than free cores spin against each other: 15 requests a second become one.
    p.cpuparams.n_threads = p.cpuparams_batch.n_threads = 1
    server = xllamacpp.Server(p)
    print(server.listening_address, flush=True)
    while True:
        time.sleep(60)


def _free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


@contextmanager
def running(timeout_s: float = 120.0) -> Iterator[str]:
    """The base URL of a server in a process of its own, ready to answer; the process ends with the context.

    Raises:
        RuntimeError: It did not get ready in time.
    """
    with tempfile.TemporaryDirectory() as folder:
        weights = Path(folder) / "tiny.gguf"
        write_weights(weights)
        port = _free_port()
        command = [
            sys.executable,
            str(Path(__file__).resolve()),
            "--weights",
            str(weights),
            "--port",
            str(port),
        ]
        log = Path(folder) / "log"
        with log.open("wb") as out:
            process = subprocess.Popen(command, stdout=out, stderr=out)
        try:
            deadline = time.monotonic() + timeout_s
            while not _is_ready(port):
                if process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError(
                        f"the tiny server did not start: {log.read_text(errors='replace')[-2000:]}"
                    )
                time.sleep(0.1)
            yield f"http://127.0.0.1:{port}/v1"
        finally:
            process.kill()
            process.wait()


def _is_ready(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=2) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def main() -> None:
    """Serve until killed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--weights", type=Path, help="a weights file; made when left out")
    parser.add_argument("--port", type=int, default=8098)
    args = parser.parse_args()
    if args.weights is not None:
        serve(args.weights, args.port)
        return
    with tempfile.TemporaryDirectory() as folder:
        write_weights(Path(folder) / "tiny.gguf")
        serve(Path(folder) / "tiny.gguf", args.port)


if __name__ == "__main__":
    main()
