"""Sources of files: what they list, what they refuse, and that nothing they hold is ever written anywhere."""

import io
import os
import struct
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import fsspec
import pytest

from labelwright.core.errors import Invalid, NotFound
from labelwright.media.files import Source, Web, open_files
from tests.media.made import encoded, photo, zipped


def source(where: Path | str, tmp_path: Path, name: str = "") -> Source:
    scratch = tmp_path / "scratch"
    scratch.mkdir(exist_ok=True)
    return open_files(
        where, name or Path(str(where)).name, measure=lambda file: (len(file.read()), 1), scratch=scratch
    )


def everything(found: Source) -> dict[str, bytes]:
    content = {}
    for name in found.names():
        with found.open(name) as file:
            content[name] = file.read()
    return content


def codes(found: Source) -> list[str]:
    return sorted(problem.code for problem in found.problems)


PLAIN = {"a.jpg": b"one", "train/images/b c é.png": b"two", "train/labels/b.txt": b"3"}


def tarred(path: Path, mode: Any, files: dict[str, bytes], special: bool = False) -> Path:
    with tarfile.open(path, mode) as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
        for kind, name in ((tarfile.SYMTYPE, "link.png"), (tarfile.LNKTYPE, "hard.png"), (tarfile.CHRTYPE, "dev.png"),
                           (tarfile.FIFOTYPE, "pipe.png")) if special else ():  # fmt: skip
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, "/etc/passwd"
            archive.addfile(info)
    return path


def test_every_source_gives_the_same_files(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    for name, content in PLAIN.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    packed = tmp_path / "x.zip"
    packed.write_bytes(zipped(PLAIN))
    memory = fsspec.filesystem("memory")
    for name, content in PLAIN.items():
        memory.pipe(f"/bucket/data/{name}", content)
    sources: list[Path | str] = [
        folder, packed, tarred(tmp_path / "x.tar", "w:", PLAIN), tarred(tmp_path / "x.tar.gz", "w:gz", PLAIN),
        tarred(tmp_path / "x.tgz", "w:gz", PLAIN), tarred(tmp_path / "x.tar.xz", "w:xz", PLAIN), "memory://bucket/data",
    ]  # fmt: skip
    for where in sources:
        found = source(where, tmp_path)
        assert everything(found) == PLAIN, where
        assert found.problems == [] and list(found.names()) == sorted(PLAIN)
        assert found.dimensions("a.jpg") == (3, 1)
        with pytest.raises(NotFound):
            found.open("../secret")
        found.close()
    memory.rm("/bucket", recursive=True)
    single = source(packed.rename(tmp_path / "blob"), tmp_path, "x.zip")
    assert everything(single) == PLAIN
    alone = tmp_path / "blob2"
    alone.write_bytes(encoded(photo(4, 4), "PNG"))
    assert source(alone, tmp_path, "C:\\photos\\me.png").names() == ["me.png"]
    assert os.listdir(tmp_path / "scratch") == []


def test_a_zip_cannot_lead_out_of_itself(tmp_path: Path) -> None:
    path = tmp_path / "evil.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name in ("../../up.png", "/etc/abs.png", "C:\\win.png", "a/../../b.png", "good.png", "__MACOSX/._good.png",
                     "x/.DS_Store", "./good.png", "a" * 2000 + ".png", "nul\0l.png"):  # fmt: skip
            archive.writestr(name, b"x")
        link = zipfile.ZipInfo("link.png")
        link.external_attr = 0o120777 << 16
        archive.writestr(link, "/etc/passwd")
    found = source(path, tmp_path)
    assert set(found.names()) <= {"good.png", "nul"}
    assert "good.png" in found.names()
    assert codes(found) == ["bad_name", "duplicate_name", "link"] + ["unsafe_name"] * 4
    assert sorted(p.name for p in tmp_path.iterdir()) == ["evil.zip", "scratch"]


def test_links_and_devices_in_a_tar_or_folder_are_left_out_and_told(tmp_path: Path) -> None:
    path = tarred(
        tmp_path / "x.tar", "w:", {"../up.png": b"x", "/abs.png": b"x", "ok.png": b"ok"}, special=True
    )
    found = source(path, tmp_path)
    assert everything(found) == {"ok.png": b"ok"}
    assert codes(found) == ["link", "link", "special_file", "special_file", "unsafe_name", "unsafe_name"]
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "ok.png").write_bytes(b"ok")
    (folder / "secret.png").symlink_to("/etc/passwd")
    (folder / "all").symlink_to("/etc")
    os.mkfifo(folder / "pipe.png")
    found = source(folder, tmp_path)
    assert everything(found) == {"ok.png": b"ok"}
    assert codes(found) == ["link", "link", "special_file"]
    # A file that becomes a link after it was listed is not followed either.
    (folder / "ok.png").unlink()
    (folder / "ok.png").symlink_to("/etc/passwd")
    with pytest.raises(NotFound):
        found.open("ok.png")


def test_archives_that_inflate_beyond_measure_are_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from labelwright.media import files

    monkeypatch.setattr(files, "FREE_BYTES", 1_000_000)
    path = tmp_path / "bomb.zip"
    path.write_bytes(zipped({f"{i}.png": b"\0" * 900_000 for i in range(4)}))
    found = source(path, tmp_path)
    with pytest.raises(OSError, match="beyond measure"):
        everything(found)
    with pytest.raises(Invalid):
        source(tarred(tmp_path / "bomb.tar.gz", "w:gz", {"a.png": b"\0" * 30_000_000}), tmp_path)
    assert os.listdir(tmp_path / "scratch") == []


def test_members_that_share_bytes_are_a_bomb(tmp_path: Path) -> None:
    content = bytearray(zipped({"a.png": b"x" * 100, "b.png": b"x" * 100}))
    # The second entry of the directory is pointed to the first member.
    at = content.rfind(b"PK\x01\x02")
    struct.pack_into("<I", content, at + 42, 0)
    path = tmp_path / "overlap.zip"
    path.write_bytes(content)
    with pytest.raises(Invalid, match="share bytes"):
        source(path, tmp_path)


@pytest.mark.parametrize("cut", [10, 60, 200])
def test_damaged_archives_say_so(tmp_path: Path, cut: int) -> None:
    whole = zipped({"a.png": os.urandom(300)})
    (tmp_path / "x.zip").write_bytes(whole[:-cut])
    with pytest.raises(Invalid, match="zip"):
        source(tmp_path / "x.zip", tmp_path)
    damaged = bytearray(whole)
    damaged[60] ^= 0xFF
    (tmp_path / "y.zip").write_bytes(damaged)
    found = source(tmp_path / "y.zip", tmp_path)
    with pytest.raises((OSError, NotFound)), found.open("a.png") as file:
        file.read()
    tar = tarred(tmp_path / "x.tgz", "w:gz", {"a.png": os.urandom(3000)}).read_bytes()
    (tmp_path / "z.tgz").write_bytes(tar[:-cut])
    with pytest.raises(Invalid, match="tar"):
        source(tmp_path / "z.tgz", tmp_path)


def test_a_bucket_without_its_driver_or_of_a_strange_kind_is_refused(tmp_path: Path) -> None:
    for address in ("file:///etc", "http://127.0.0.1/x", "sftp://x/y", "github://a:b@c/d"):
        with pytest.raises(Invalid):
            source(address, tmp_path)


def test_what_cannot_be_fetched_is_not_found() -> None:
    def fetch(url: str) -> io.BytesIO:
        raise Invalid("not_there", f"no {url}")

    web = Web(fetch, lambda file: (1, 1))
    with pytest.raises(NotFound):
        web.open("http://a/b.png")
    assert web.dimensions("http://a/b.png") is None
