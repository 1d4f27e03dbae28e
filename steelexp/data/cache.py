"""Cache of decoded images and masks, in memory or in memory-mapped files.

<cache>/<key>/grey.u8     grey values of all images, one after the other, 1 byte per pixel
<cache>/<key>/bits.u8     masks of all images; clean images are holes without disk blocks. Masks of
                          over 8 bits are in bits.u16 or bits.u32, 2 or 4 bytes per pixel
<cache>/<key>/checks.u4   checksums of both for each image
<cache>/<key>/cache.json  version, manifest, number of images, hash of the checksums

The key depends on the content of the data set, so copies of it share a cache.
Reading a tile takes microseconds instead of decoding a JPEG.
"""

import functools
import json
import os
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from steelexp.checksum import hash_bytes
from steelexp.data.bits import Bits, Word
from steelexp.data.cache_checks import CacheChecks, Checksums, checksum, checksum_of_zeros
from steelexp.data.cache_root import CACHE_FIX
from steelexp.data.dataset import DataError, Dataset, digest, raise_if
from steelexp.data.ignored import without_ignored_labels
from steelexp.data.reserved_space import reserve
from steelexp.errors import explain_write_errors
from steelexp.file_lock import LockedError, file_lock
from steelexp.progress import say, steps
from steelexp.records.atomic import replacing

Kind = Literal["disk", "memory", "none"]
Pixels = npt.NDArray[np.uint8]

IMAGES_IN_MEMORY = 256
"""Number of decoded images in memory without a cache: 0.2 GB of Severstal's."""

_VERSION = 2
"""Version of the cache, raised whenever its files change."""

_FREE_BYTES = 2**28
"""Bytes of disk or memory to leave free."""


@dataclass(frozen=True, kw_only=True)
class CachedImages(Dataset):
    """A data set of decoded images.

    Attributes:
        grey: Grey values of all images, one after the other.
        bits: Masks of all images, one after the other.
        starts: [S + 1] index of the first pixel of each image.
        shapes: [S] height and width.
        checks: Checks of the pixels at their first use; None in memory.
    """

    grey: Pixels
    bits: Bits
    starts: tuple[int, ...]
    shapes: tuple[tuple[int, int], ...]
    checks: CacheChecks | None = None

    def image(self, row: int) -> Pixels:
        """Grey values of an image, [H, W] uint8; a view."""
        if self.checks is not None:
            self.checks.check(row, 0)
        return self.grey[self.starts[row] : self.starts[row + 1]].reshape(self.shapes[row])

    def mask(self, row: int) -> Bits:
        """Mask of an image, [H, W] of `word`, bit c set where class c is; a view."""
        if self.checks is not None:
            self.checks.check(row, 1)
        return self.bits[self.starts[row] : self.starts[row + 1]].reshape(self.shapes[row])


class RecentImages(Dataset):
    """A data set that keeps the last `IMAGES_IN_MEMORY` decoded images in memory."""

    @functools.cached_property
    def image(self) -> Callable[[int], Pixels]:
        """Function row -> grey values, [H, W] uint8."""
        return functools.lru_cache(IMAGES_IN_MEMORY)(super().image)

    @functools.cached_property
    def mask(self) -> Callable[[int], Bits]:
        """Function row -> mask, [H, W] of `word`, bit c set where class c is."""
        return functools.lru_cache(IMAGES_IN_MEMORY)(super().mask)


def cache_images(dataset: Dataset, kind: Kind, root: Path) -> Dataset:
    """Decode the images of a data set. The masks have no class at ignored pixels.

    Args:
        dataset: Data set.
        kind: Kind of the cache: disk, decoded once for all runs; memory, decoded once for this run;
            none, decoded at every use, except for the last 256 images.
        root: Folder of the caches.

    Raises:
        DataError: Images cannot be read, all of which are listed, or there is no room.
    """
    dataset = without_ignored_labels(dataset)
    if kind == "none" or not len(dataset):
        return RecentImages(**_fields(dataset))
    if kind == "memory":
        _check_room(
            _bytes_needed(dataset), _total_memory(), "data.cache: memory", "data.cache=disk"
        )
        grey = np.zeros(_pixel_count(dataset), np.uint8)
        bits = np.zeros(_pixel_count(dataset), dataset.word)
        _decode(dataset, grey, bits)
        return _cached_images(dataset, grey, bits)
    folder = root / cache_key(dataset)
    with explain_write_errors(root, CACHE_FIX):
        if not _is_complete(folder, dataset):
            with one_builder(folder):
                if not _is_complete(folder, dataset):  # another process may have built it
                    _build(dataset, folder)
        return _open(dataset, folder)


def cache_key(dataset: Dataset) -> str:
    """Name of the files of a data set in the cache."""
    return digest([_VERSION, dataset.manifest])[:16]


def _pixel_count(dataset: Dataset) -> int:
    return int(dataset.sizes.astype(np.int64).prod(axis=1).sum())


def _bytes_needed(dataset: Dataset) -> int:
    """Bytes of the grey values of all images and the masks that can have a bit."""
    pixels = dataset.sizes.astype(np.int64).prod(axis=1)
    return int(pixels.sum() + pixels[dataset.has_bits].sum() * np.dtype(dataset.word).itemsize)


def _total_memory() -> int:
    """Memory of the machine in bytes."""
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def _check_room(needed: int, free: int, place: str, alternative: str) -> None:
    if needed + _FREE_BYTES > free:
        raise DataError(
            f"{place}: {needed / 1e9:.1f} GB are needed and {free / 1e9:.1f} GB are free; make "
            f"room, or set {alternative} or data.cache=none"
        )


@contextmanager
def one_builder(folder: Path) -> Iterator[None]:
    """Lock that lets one process at a time write the cache of a data set; the others wait.

    Args:
        folder: Folder of the data set in the cache.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    file = folder.with_suffix(".lock")
    with ExitStack() as stack:
        try:
            stack.enter_context(file_lock(file, wait=False))
        except LockedError:
            say(f"{folder}: another process is reading this data set; waiting for it")
            stack.enter_context(file_lock(file))
        yield


def _build(dataset: Dataset, folder: Path) -> None:
    if folder.is_dir():
        say(f"{folder}: damaged, so it is built again")
    needed = _bytes_needed(dataset)
    free = shutil.disk_usage(folder.parent).free
    _check_room(needed, free, f"{folder.parent}", "another STEELEXP_CACHE")
    say(f"Decoding {len(dataset)} images into {folder}, {needed / 1e9:.2f} GB, once")
    with replacing(folder, write_through=False) as partial:
        partial.mkdir()
        grey, bits = _map_files(partial, dataset, "w+")
        _reserve(partial, dataset)
        checksums = _decode(dataset, grey, bits)
        for array in (grey, bits):
            array.flush()
        (partial / "checks.u4").write_bytes(checksums.tobytes())
        content = json.dumps(_description(dataset, checksums.tobytes()))
        (partial / "cache.json").write_text(content + "\n", encoding="utf-8")
        shutil.rmtree(folder, ignore_errors=True)  # a damaged cache


def _reserve(folder: Path, dataset: Dataset) -> None:
    """Take the disk space of all images, and of the masks that can have a bit."""
    pixels = dataset.sizes.astype(np.int64).prod(axis=1)
    starts = np.r_[0, pixels.cumsum()]
    (grey, _), (bits, word) = _files(dataset)
    size = np.dtype(word).itemsize
    reserve(folder / grey, [(0, int(starts[-1]))])
    rows = np.flatnonzero(dataset.has_bits).tolist()
    reserve(folder / bits, [(int(starts[row]) * size, int(pixels[row]) * size) for row in rows])


def _description(dataset: Dataset, checksums: bytes) -> dict[str, Any]:
    """Content of cache.json."""
    return {
        "version": _VERSION,
        "manifest": dataset.manifest,
        "images": len(dataset),
        "checksums": hash_bytes(checksums),
    }


def _is_complete(folder: Path, dataset: Dataset) -> bool:
    """Whether all files are there and fit the data set."""
    count = _pixel_count(dataset)
    sizes = {name: count * np.dtype(word).itemsize for name, word in _files(dataset)}
    try:
        content = json.loads((folder / "cache.json").read_bytes())
        return content == _description(dataset, (folder / "checks.u4").read_bytes()) and all(
            (folder / name).stat().st_size == size for name, size in sizes.items()
        )
    except (OSError, ValueError):
        return False


def _open(dataset: Dataset, folder: Path) -> CachedImages:
    """Open a complete cache and check a sample of its images."""
    grey, bits = _map_files(folder, dataset, "r")
    content = np.fromfile(folder / "checks.u4", np.uint32).reshape(-1, 2)
    unchecked = _cached_images(dataset, grey, bits)
    checks = CacheChecks(
        content,
        lambda row, part: unchecked.mask(row) if part else unchecked.image(row),
        lambda rows: _repair(dataset, folder, rows, content),
    )
    checks.sample()
    return replace(unchecked, checks=checks)


def _repair(dataset: Dataset, folder: Path, rows: list[int], checksums: Checksums) -> None:
    """Decode some images again, in place: the pages are shared with all that have it open.

    Raises:
        DataError: An image now has other pixels than when the cache was written.
    """
    first = dataset.names[rows[0]]
    others = f" and {len(rows) - 1} more" if rows[1:] else ""
    say(f"{folder}: damage in {first}{others} of {len(dataset)} images; decoding again")
    with explain_write_errors(folder, CACHE_FIX), one_builder(folder):
        grey, bits = _map_files(folder, dataset, "r+")
        target = _cached_images(dataset, grey, bits)
        for row in rows:
            np.copyto(target.image(row), dataset.image(row))
            np.copyto(target.mask(row), dataset.mask(row))
        for array in (grey, bits):
            array.flush()
    for row in rows:
        now = (checksum(target.image(row)), checksum(target.mask(row)))
        if now != tuple(checksums[row].tolist()):
            raise DataError(
                f"{folder}: {dataset.paths[row]} does not decode to the pixels that it had when "
                "the cache was written; remove this folder, and all images are decoded again"
            )


def _files(dataset: Dataset) -> list[tuple[str, Word]]:
    """Names of the two files of pixels, and the types of their pixels."""
    return [("grey.u8", np.uint8), (f"bits.u{np.dtype(dataset.word).itemsize * 8}", dataset.word)]


def _map_files(
    folder: Path, dataset: Dataset, mode: Literal["r", "r+", "w+"]
) -> "list[np.memmap[Any, Any]]":
    """The files of grey values and of masks."""
    shape = (_pixel_count(dataset),)
    return [np.memmap(folder / name, word, mode, shape=shape) for name, word in _files(dataset)]


def _decode(dataset: Dataset, grey: Pixels, bits: Bits) -> Checksums:
    """Decode every image into the arrays, on all cores; OpenCV, NumPy and zlib release the GIL.

    Returns:
        [S, 2] checksums of images and masks.
    """
    target = _cached_images(dataset, grey, bits)
    checksums = np.zeros((len(dataset), 2), np.uint32)
    problems = []

    def decode(row: int) -> None:
        image = target.image(row)
        mask = target.mask(row)
        np.copyto(image, dataset.image(row))
        if dataset.has_bits[row]:
            np.copyto(mask, dataset.mask(row))
        mask_checksum = checksum(mask) if dataset.has_bits[row] else checksum_of_zeros(mask.nbytes)
        checksums[row] = checksum(image), mask_checksum

    with steps("decoding", len(dataset), every=10.0) as advance, ThreadPoolExecutor() as threads:
        try:
            tasks = [threads.submit(decode, row) for row in range(len(dataset))]
            for done, task in enumerate(as_completed(tasks), start=1):
                if isinstance(error := task.exception(), DataError):
                    problems.append(str(error))
                else:
                    task.result()
                advance(done)
        finally:
            threads.shutdown(cancel_futures=True)
    raise_if(sorted(problems))
    return checksums


def _cached_images(dataset: Dataset, grey: Pixels, bits: Bits) -> CachedImages:
    pixels = dataset.sizes.astype(np.int64).prod(axis=1)
    return CachedImages(
        **_fields(dataset),
        # Plain views, because slicing an np.memmap is four times as slow.
        grey=grey.view(np.ndarray),
        bits=bits.view(np.ndarray),
        starts=tuple(np.r_[0, pixels.cumsum()].tolist()),
        shapes=tuple((int(h), int(w)) for h, w in dataset.sizes),
    )


def _fields(dataset: Dataset) -> dict[str, Any]:
    return {field.name: getattr(dataset, field.name) for field in fields(Dataset)}
