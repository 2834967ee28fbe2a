"""How far the token estimate is from real vocabularies, over kinds of text written for it.

Needs a package with the vocabularies, which is no dependency of Labelwright: run it in an environment of its own with
`tiktoken`, pointed at a folder of its vocabulary files (named by the SHA-1 of their address, as tiktoken caches them):

    TIKTOKEN_CACHE_DIR=... PYTHONPATH=src python benchmarks/token_estimates.py
"""

import argparse
import importlib.util
import random
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

# Only this one file is needed, so that the environment of the vocabularies can be small.
_where = Path(__file__).resolve().parent.parent / "src/labelwright/prompting/tokens.py"
_spec = importlib.util.spec_from_file_location("tokens", _where)
assert _spec is not None and _spec.loader is not None
_tokens = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_tokens)

KINDS = {
    "English": (
        "The committee met on Thursday in the old town hall, where nobody had expected more than a dozen people. By eight "
        "o'clock the chairs had run out. \"We can't keep pretending that the bridge is safe,\" said Margaret Oyelaran, an "
        "engineer who had inspected it twice; the mayor, visibly irritated, promised a decision before the winter."
    ),
    "German": (
        "Die Bundesverfassungsgerichtsentscheidung über die Grundstücksverkehrsgenehmigungszuständigkeit wurde am Dienstag "
        "überraschend verschoben. Währenddessen ärgerten sich die Anwohnerinnen über den Straßenlärm, der durch die "
        "Umleitungsstrecke entstanden war, und schrieben der Oberbürgermeisterin einen siebenseitigen Beschwerdebrief."
    ),
    "Chinese": (
        "昨天下午,市政府召开了一次关于旧桥安全的会议。很多居民认为这座桥已经不再安全,希望尽快修复。"
        "工程师王丽华表示,检查结果将在下个月公布,届时会决定是否封闭交通。"
    ),
    "Code": (
        "def merge(left: list[int], right: list[int]) -> list[int]:\n    out, i, j = [], 0, 0\n    while i < len(left) and "
        "j < len(right):\n        if left[i] <= right[j]:\n            out.append(left[i]); i += 1\n        else:\n"
        "            out.append(right[j]); j += 1\n    return out + left[i:] + right[j:]  # O(n + m)\n"
    ),
    "JSON": (
        '{"id": 48213, "name": "Blue kettle", "price": {"amount": 39.9, "currency": "EUR"}, "tags": ["kitchen", "sale"], '
        '"stock": null, "dims_mm": [210, 180, 240], "updated": "2024-11-03T08:15:42Z", "active": true}\n'
    ),
    "Digits": "3.14159 26535 89793 23846 2643 383279 50288 41971 69399 37510 58209 74944 5923 0781 64062 862 08998 6280\n",
    "Russian": (
        "Вчера вечером жители города собрались у старого моста, чтобы обсудить его безопасность. Инженер сообщила, что "
        "трещины в опорах стали заметно шире, и предложила немедленно закрыть движение до окончания ремонта."
    ),
    "Arabic": "اجتمع سكان المدينة مساء أمس قرب الجسر القديم لمناقشة سلامته، وقالت المهندسة إن الشقوق أصبحت أوسع بكثير.",
    "Thai": "เมื่อวานนี้ชาวเมืองมารวมตัวกันที่สะพานเก่าเพื่อหารือเกี่ยวกับความปลอดภัย วิศวกรกล่าวว่ารอยร้าวกว้างขึ้นมาก",
    "Emoji": "So proud of you!!! 🎉🎉👏🏽 can't wait 😭❤️ see u soon 🇩🇪✈️🇯🇵 #blessed @anna_k ¯\\_(ツ)_/¯",
}  # fmt: skip
"""Texts by kind, written for this purpose."""


def noise(size: int = 600) -> str:
    """Random letters and digits, as in keys and hashes."""
    return "".join(
        random.Random(7).choices("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789", k=size)
    )


def main() -> None:
    """Print estimate / true count per kind and vocabulary."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--vocabularies", nargs="+", default=["o200k_base", "cl100k_base"])
    args = parser.parse_args()
    import tiktoken  # type: ignore[import-not-found,unused-ignore]

    every = [(name, tiktoken.get_encoding(name)) for name in args.vocabularies]
    print("kind".ljust(10), *(name.rjust(12) for name, _ in every))
    for kind, text in {**KINDS, "Noise": noise()}.items():
        ratios = [
            _tokens.token_cost(text) / len(vocabulary.encode(text, disallowed_special=()))
            for _, vocabulary in every
        ]
        print(kind.ljust(10), *(f"{ratio:.2f}".rjust(12) for ratio in ratios))


if __name__ == "__main__":
    main()
