"""Dataset decoded once: grey and labels side by side in memory or in memory-mapped files.

<cache>/<key>/grey.u8     every image's grey, one after the other, 1 byte a pixel
<cache>/<key>/bits.u8     every image's labels; clean images are holes that take no room on disk
<cache>/<key>/cache.json  what it was made from

The key is the data's digest and the time stamps of its images: a changed image makes another cache.
Drawing a tile then costs microseconds and not a JPEG's decoding.
"""

import functools
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from steelexp.data.dataset import Bits, DataError, Dataset, raise_if
from steelexp.errors import explain_write_errors
from steelexp.progress import say, steps
from steelexp.records.atomic import replacing

Kind = Literal["disk", "memory", "none"]
Pixels = npt.NDArray[np.uint8]

RECENT = 256
"""Dataset that are kept when they are decoded at every use: 0.2 GB of Severstal's."""

_VERSION = 1
"""Raised whenever the files or the groups are made differently."""

CACHE_FIX = "set STEELEXP_CACHE to a folder that can be written and has room"

_SPARE = 2**28
"""Bytes of disk or memory to be left free."""


@dataclass(frozen=True)
class CachedImages(Dataset):
    """Dataset whose pixels are decoded already.

    Attributes:
        grey: [pixels of all images], image after image.
        bits: the same for the labels.
        starts: [S + 1] where each image begins.
    """

    grey: Pixels
    bits: Pixels
    starts: tuple[int, ...]
    shapes: tuple[tuple[int, int], ...]

    def image(self, image: int) -> Pixels:
        """An image's grey, [H, W] uint8; a view."""
        return self.grey[self.starts[image] : self.starts[image + 1]].reshape(self.shapes[image])

    def mask(self, image: int) -> Bits:
        """An image's labels, [H, W] uint8, bit c set where class c is; a view."""
        return self.bits[self.starts[image] : self.starts[image + 1]].reshape(self.shapes[image])


class RecentImages(Dataset):
    """Dataset that are decoded when they are used, and kept while they are among the last used."""

    @functools.cached_property
    def image(self) -> Callable[[int], Pixels]:
        """Strip number -> [H, W] uint8 grey."""
        return functools.lru_cache(RECENT)(super().image)

    @functools.cached_property
    def mask(self) -> Callable[[int], Bits]:
        """Strip number -> [H, W] uint8, bit c set where class c is."""
        return functools.lru_cache(RECENT)(super().mask)


def cache_root() -> Path:
    """Where caches lie: STEELEXP_CACHE, or data/cache below the current folder."""
    return Path(os.environ.get("STEELEXP_CACHE") or "data/cache")


def cached(dataset: Dataset, kind: Kind, root: Path) -> Dataset:
    """The same images, decoded.

    Args:
        dataset: the data set.
        kind: disk, decoded once for all runs; memory, once for this run; none, at every use (the
            last 256 are kept).
        root: where caches lie.

    Raises:
        DataError: images cannot be read (all are listed), or there is no room.
    """
    if kind == "none" or not len(dataset):
        return RecentImages(**_fields(dataset))
    if kind == "memory":
        _check_room(_bytes(dataset), _memory(), "data.cache: memory", "data.cache=disk")
        arrays = [np.zeros(_pixels(dataset), np.uint8) for _ in range(2)]
        _decode(dataset, *arrays)
        return _with(dataset, *arrays)
    folder = root / cache_key(dataset)
    with explain_write_errors(root, CACHE_FIX):
        if not _whole(folder, dataset):
            with one_builder(folder):
                if not _whole(folder, dataset):  # another process may have built it meanwhile
                    _build(dataset, folder)
    return _with(
        dataset, *(_mapped(folder / name, dataset, "r") for name in ("grey.u8", "bits.u8"))
    )


def cache_key(dataset: Dataset) -> str:
    """The name of a data set's files in the cache."""
    sha = hashlib.sha256(f"{_VERSION} {dataset.manifest}".encode())
    for path in dataset.paths:
        status = path.stat()
        sha.update(f" {status.st_size} {status.st_mtime_ns}".encode())
    return sha.hexdigest()[:16]


def _pixels(dataset: Dataset) -> int:
    return int(dataset.sizes.astype(np.int64).prod(axis=1).sum())


def _bytes(dataset: Dataset) -> int:
    """Grey of every image and labels of those that have some."""
    each = dataset.sizes.astype(np.int64).prod(axis=1)
    return int(each.sum() + each[dataset.labelled].sum())


def _memory() -> int:
    """Bytes of the machine's memory."""
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def _check_room(needed: int, free: int, what: str, instead: str) -> None:
    if needed + _SPARE > free:
        raise DataError(
            f"{what}: {needed / 1e9:.1f} GB are needed and {free / 1e9:.1f} GB are there; make "
            f"room, or take {instead} or data.cache=none"
        )


@contextmanager
def one_builder(folder: Path) -> Iterator[None]:
    """Let one process at a time build what is cached of a data set; the others wait.

    Args:
        folder: Folder of the data set in the cache.
    """
    from filelock import FileLock, Timeout  # imports asyncio, which --help and list need not

    folder.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder.with_suffix(".lock"))
    try:
        lock.acquire(timeout=0)
    except Timeout:
        say(f"{folder}: another process is reading this data set; waiting for it")
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def _build(dataset: Dataset, folder: Path) -> None:
    needed, free = _bytes(dataset), shutil.disk_usage(folder.parent).free
    _check_room(needed, free, f"{folder.parent}", "another STEELEXP_CACHE")
    say(f"Decoding {len(dataset)} images into {folder}, {needed / 1e9:.2f} GB, once")
    with replacing(folder) as beside:
        beside.mkdir()
        grey, bits = (_mapped(beside / name, dataset, "w+") for name in ("grey.u8", "bits.u8"))
        _decode(dataset, grey, bits)
        for array in (grey, bits):
            array.flush()
        made = {"version": _VERSION, "manifest": dataset.manifest, "images": len(dataset)}
        (beside / "cache.json").write_text(json.dumps(made) + "\n", encoding="utf-8")
        shutil.rmtree(folder, ignore_errors=True)  # one that somebody damaged


def _whole(folder: Path, dataset: Dataset) -> bool:
    files = [folder / name for name in ("grey.u8", "bits.u8")]
    return (folder / "cache.json").is_file() and all(
        file.is_file() and file.stat().st_size == _pixels(dataset) for file in files
    )


def _mapped(file: Path, dataset: Dataset, mode: Literal["r", "w+"]) -> "np.memmap[Any, Any]":
    return np.memmap(file, np.uint8, mode, shape=(_pixels(dataset),))


def _decode(dataset: Dataset, grey: Pixels, bits: Pixels) -> None:
    """Read every image into its place, on all cores; OpenCV and NumPy work without the GIL."""
    target, problems = _with(dataset, grey, bits), []

    def read(image: int) -> None:
        np.copyto(target.image(image), dataset.image(image))
        if dataset.labelled[image]:
            np.copyto(target.mask(image), dataset.mask(image))

    with steps("decoding", len(dataset), every=10.0) as advance, ThreadPoolExecutor() as threads:
        try:
            tasks = [threads.submit(read, image) for image in range(len(dataset))]
            for done, task in enumerate(as_completed(tasks), start=1):
                if isinstance(error := task.exception(), DataError):
                    problems.append(str(error))
                else:
                    task.result()
                advance(done)
        finally:
            threads.shutdown(cancel_futures=True)
    raise_if(sorted(problems))


def _with(dataset: Dataset, grey: Pixels, bits: Pixels) -> CachedImages:
    each = dataset.sizes.astype(np.int64).prod(axis=1)
    return CachedImages(
        **_fields(dataset),
        # A plain view: an np.memmap makes a Python object of each slice, four times as slow.
        grey=grey.view(np.ndarray),
        bits=bits.view(np.ndarray),
        starts=tuple(np.r_[0, each.cumsum()].tolist()),
        shapes=tuple((int(h), int(w)) for h, w in dataset.sizes),
    )


def _fields(dataset: Dataset) -> dict[str, Any]:
    return {field.name: getattr(dataset, field.name) for field in fields(Dataset)}
