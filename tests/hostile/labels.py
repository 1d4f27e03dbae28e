"""Label files: deep, endless, beyond all numbers, or with masks that unpack to gigabytes."""

import base64
import functools
import json
import os
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from steelexp.data.forms.coco import coco
from steelexp.data.forms.labelme import labelme
from steelexp.data.forms.supervisely import supervisely
from steelexp.data.forms.yolo_seg import yolo_seg
from steelexp.data.mask_folder.reader import mask_folder
from tests.hostile.case import Case
from tests.hostile.images import png, saved

DIGITS = "9" * 5_000
DEEP = "[" * 50_000 + "]" * 50_000
FORMS = {"coco": coco, "labelme": labelme, "supervisely": supervisely, "yolo": yolo_seg}
FILES = {
    "coco": "annotations.json",
    "labelme": "images/a.json",
    "supervisely": "ds/ann/a.png.json",
    "yolo": "labels/a.txt",
}
Make = Callable[[], bytes | str]


def label_set(form: str, content: Make) -> Callable[[Path], Path]:
    """The function that writes a set of one image and one label file."""

    def make(folder: Path) -> Path:
        data = content()
        _write(folder / FILES[form], data if isinstance(data, bytes) else data.encode())
        image = "ds/img/a.png" if form == "supervisely" else "images/a.png"
        _write(folder / image, saved("PNG"))
        if form == "supervisely":
            _write(folder / "meta.json", b'{"classes": [{"title": "x"}]}')
        if form == "yolo":
            _write(folder / "data.yaml", b"names: [x]")
        return folder

    return make


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def _read(form: str, root: Path) -> object:
    return FORMS[form](root=str(root))


def in_coco(segmentation: str) -> str:
    """A COCO file with one segmentation."""
    return (
        '{"images": [{"id": 1, "file_name": "a.png"}], "categories": [{"id": 1, "name": "x"}], '
        f'"annotations": [{{"id": 1, "image_id": 1, "category_id": 1, "segmentation": '
        f"{segmentation}}}]}}"
    )


def in_labelme(points: str, kind: str = "polygon", mask: str = "null") -> str:
    """A file of labelme with one shape."""
    return (
        f'{{"shapes": [{{"label": "x", "points": {points}, "shape_type": "{kind}", '
        f'"mask": {mask}}}], "imageHeight": 20, "imageWidth": 30}}'
    )


def in_supervisely(rest: str) -> str:
    """A file of Supervisely with one object."""
    return '{"size": {"height": 20, "width": 30}, "objects": [{"classTitle": "x", ' + rest + "}]}"


def bitmap(content: bytes, origin: str = "[0, 0]") -> str:
    """A file of Supervisely with one bitmap."""
    data = base64.b64encode(content).decode()
    return in_supervisely(
        f'"geometryType": "bitmap", "bitmap": {{"data": "{data}", "origin": {origin}}}'
    )


POINTS = {
    "NaN": ("[[NaN, 1], [1, 1], [2, 2]]", "a coordinate is not a finite number"),
    "Infinity": ("[[Infinity, 1], [1, 1], [2, 2]]", "a coordinate is not a finite number"),
    "1e400": ("[[1e400, 1], [1, 1], [2, 2]]", "a coordinate is not a finite number"),
    "1e300": ("[[1e300, 1], [1, 1], [2, 2]]", "far outside of any image"),
    "400 digits": (f"[[{DIGITS[:400]}, 1], [1, 1], [2, 2]]", "the points are not pairs"),
    "5,000 digits": (f"[[{DIGITS}, 1], [1, 1], [2, 2]]", ""),
    "100,000 points": ("[" + "[1, 1]," * 10**5 + "[2, 2]]", ""),
    "no point": ("[]", "a polygon of 0 points"),
    "a number": ("1", "the points are not pairs"),
    "a text": ('"abc"', "the points are not pairs"),
    "a mapping": ("{}", ""),
    "ragged": ("[[1], [1, 2, 3], 4]", "the points are not pairs"),
    "100 levels": ("[" * 100 + "]" * 100, ""),
    "far outside": ("[[1, 1], [900000000, 1], [1, 2]]", "lies outside of the image"),
}
COCO: dict[str, tuple[Make, str]] = {
    "deep lists": (lambda: DEEP, "not one COCO file but 0"),
    "deep segmentation": (lambda: in_coco(DEEP), "recursion limit exceeded"),
    "deep mappings": (lambda: in_coco('{"a":' * 50_000), "recursion limit exceeded"),
    "an id of 5,000 digits": (lambda: in_coco("[]").replace('"id": 1', f'"id": {DIGITS}'), ""),
    "an id of a text": (lambda: in_coco("[]").replace('"id": 1', f'"id": "{DIGITS}"'), "at most"),
    "a name of 1 MB": (lambda: in_coco("[]").replace('"x"', f'"{"x" * 10**6}"'), "at most 1000"),
    "a file name of 1 MB": (lambda: in_coco("[]").replace("a.png", "x" * 10**6), "at most 1000"),
    "a file name that leads out": (lambda: in_coco("[]").replace("a.png", "../" * 300), ""),
    "a NUL in a file name": (lambda: in_coco("[]").replace("a.png", "a\\u0000b"), ""),
    "half a character": (lambda: in_coco("[]").replace("a.png", "a\\ud800b"), "not JSON"),
    "a million wrong annotations": (
        lambda: in_coco("[]").replace('"annotations": [', '"annotations": [' + "1," * 10**6),
        "annotations.0: ",
    ),
    "20,000 categories": (
        lambda: in_coco("[]").replace(
            '[{"id": 1, "name": "x"}]',
            json.dumps([{"id": i, "name": f"c{i}"} for i in range(20_000)]),
        ),
        "",
    ),
    "counts of 5,000 digits": (lambda: in_coco(f'{{"counts": [{DIGITS}], "size": [20, 30]}}'), ""),
    "counts of 64 bits": (
        lambda: in_coco(f'{{"counts": [{2**63}], "size": [20, 30]}}'),
        "more than 64 bits",
    ),
    "counts whose sum overflows": (
        lambda: in_coco(f'{{"counts": [{2**63 - 1}, {2**63 - 1}], "size": [20, 30]}}'),
        "more pixels than the mask has",
    ),
    "negative counts": (
        lambda: in_coco('{"counts": [-5, 605], "size": [20, 30]}'),
        "RLE with a negative count",
    ),
    "a million counts": (
        lambda: in_coco(f'{{"counts": [{"1," * 10**6}1], "size": [20, 30]}}'),
        "RLE of 1000001 pixels",
    ),
    "a text without an end": (
        lambda: in_coco(f'{{"counts": "{"o" * 10**6}", "size": [20, 30]}}'),
        "more than 64 bits",
    ),
    "a text of large counts": (
        lambda: in_coco(f'{{"counts": "{"oooooooooooo?" * 99}", "size": [20, 30]}}'),
        "RLE",
    ),
    "a size of 400 digits": (
        lambda: in_coco(f'{{"counts": [600], "size": [{DIGITS[:400]}, 30]}}'),
        "RLE for",
    ),
    "a size of nothing": (lambda: in_coco('{"counts": [], "size": []}'), "an RLE needs counts"),
    "another size of the image": (
        lambda: in_coco("[[1,1,2,2,3,1]]").replace(
            '"a.png"', f'"a.png", "height": {10**18}, "width": {10**18}'
        ),
        "the labels are for",
    ),
    **{
        f"polygon of {name}": (
            lambda text=text: in_coco(f"[{text}]"),
            line if name not in ("a text", "a mapping", "a number") else "",
        )
        for name, (text, line) in POINTS.items()
    },
}
LABELME: dict[str, tuple[Make, str]] = {
    "deep lists": (lambda: DEEP, ""),
    "a deep shape": (lambda: in_labelme(DEEP), "recursion limit exceeded"),
    "a million wrong shapes": (lambda: '{"shapes": [' + "1," * 10**6 + "1]}", "shapes.0"),
    "10,000 shapes of no area": (
        lambda: (
            '{"shapes": ['
            + '{"label": "x", "points": []},' * 10**4
            + '{"label": "x", "points": []}]}'
        ),
        "a polygon of 0 points",
    ),
    "a label of 1 MB": (
        lambda: in_labelme("[]").replace('"x"', f'"{"x" * 10**6}"'),
        "at most 1000",
    ),
    "a circle beyond all numbers": (lambda: in_labelme("[[1, 1], [9e8, 9e8]]", "circle"), ""),
    "a circle of NaN": (lambda: in_labelme("[[1, 1], [NaN, 2]]", "circle"), "not a finite number"),
    "a mask that is no base64": (lambda: in_labelme("[[0, 0], [9, 9]]", "mask", '"%%"'), "base64"),
    "a mask that is no PNG": (
        lambda: in_labelme("[[0, 0], [9, 9]]", "mask", '"AAAA"'),
        "not a PNG",
    ),
    "a mask of 16,000 x 16,000": (
        lambda: in_labelme(
            "[[0, 0], [15999, 15999]]",
            "mask",
            json.dumps(base64.b64encode(png(16_000, 16_000)).decode()),
        ),
        "more than an image may have",
    ),
    "a mask beyond its box": (
        lambda: in_labelme(
            "[[0, 0], [9, 9]]", "mask", json.dumps(base64.b64encode(png(3_000, 3_000)).decode())
        ),
        "its mask has 3000 x 3000 pixels, its box 10 x 10",
    ),
    **{
        f"polygon of {name}": (
            lambda text=text: in_labelme(text),
            line if name != "a mapping" else "",
        )
        for name, (text, line) in POINTS.items()
    },
}
SUPERVISELY: dict[str, tuple[Make, str]] = {
    "deep lists": (lambda: DEEP, "recursion limit exceeded"),
    "a bomb": (
        lambda: bitmap(zlib.compress(bytes(70 * 2**20), 9)),
        "a bitmap of more than 67,108,864 bytes",
    ),
    "a bomb in a bomb": (
        lambda: bitmap(zlib.compress(zlib.compress(bytes(70 * 2**20), 9), 9)),
        "not a PNG",
    ),
    "a PNG of 16,000 x 16,000": (
        lambda: bitmap(zlib.compress(png(16_000, 16_000))),
        "reaches beyond",
    ),
    "data cut short": (lambda: bitmap(zlib.compress(png(30, 20))[:-9]), "are broken"),
    "no data": (lambda: bitmap(b""), "are broken"),
    "no bitmap": (lambda: in_supervisely('"geometryType": "bitmap"'), "a bitmap needs data"),
    "an origin of NaN": (
        lambda: bitmap(zlib.compress(png(3, 2)), "[NaN, 0]"),
        "a bitmap needs data",
    ),
    "an origin of 1e400": (
        lambda: bitmap(zlib.compress(png(3, 2)), "[1e400, 0]"),
        "a bitmap needs",
    ),
    "an origin of 400 digits": (
        lambda: bitmap(zlib.compress(png(3, 2)), f"[{DIGITS[:400]}, 0]"),
        "reaches beyond",
    ),
    "an origin below 0": (lambda: bitmap(zlib.compress(png(3, 2)), "[-1, 0]"), "reaches beyond"),
    "a size of 400 digits": (
        lambda: in_supervisely('"geometryType": "polygon"').replace("20", DIGITS[:400]),
        "",
    ),
    **{
        f"polygon of {name}": (
            lambda text=text: in_supervisely(
                f'"geometryType": "polygon", "points": {{"exterior": {text}, "interior": []}}'
            ),
            line if name != "a mapping" else "",
        )
        for name, (text, line) in POINTS.items()
    },
}
YOLO: dict[str, tuple[Make, str]] = {
    "a class of 5,000 digits": (lambda: f"{DIGITS} 0 0 1 1 1 0", "there is no class '999"),
    "a class of another script": (lambda: "\u0660 0 0 1 1 1 0", ""),
    "a coordinate of 5,000 digits": (lambda: f"0 {DIGITS} 0 1 1 1 0", "far outside of any image"),
    "nan": (lambda: "0 nan 0 1 1 1 0", "not a finite number"),
    "inf": (lambda: "0 inf 0 1 1 1 0", "not a finite number"),
    "100,000 coordinates": (lambda: "0" + " 0.5" * 10**5, ""),
    "10,000 wrong lines": (lambda: "0 x\n" * 10**4, "a coordinate is not a number"),
    "10,000 lines of another class": (lambda: "1 0 0 1 1 1 0\n" * 10**4, "there is no class '1'"),
    "a NUL": (lambda: b"0 0 0 1 1 1 \0", "a coordinate is not a number"),
    "every byte": (lambda: bytes(range(256)), "cannot be read"),
}
NAMES: dict[str, tuple[str, str]] = {
    "billion laughs": (
        "names: &a [x,x,x,x,x,x,x,x,x]\n"
        + "".join(
            f"{chr(98 + i)}: &{chr(98 + i)} [{','.join(['*' + chr(97 + i)] * 9)}]\n"
            for i in range(9)
        ),
        "more than 5,000 values",
    ),
    "names in themselves": ("names: &a [*a]", "an alias that contains itself"),
    "5,000 digits": (f"names: {{{DIGITS}: x}}", "no names of classes"),
    "a date": ("names: {2026-99-99: x}", "no names of classes"),
    "deep": ("names: " + "[" * 50_000, "nested more than 32"),
    "a NUL": ('names: ["a\\0b"]', ""),
    "4,000 names": ("names: [" + ",".join(f"c{i}" for i in range(4_000)) + "]", "4000 classes (c0"),
}


def _names_set(text: str, folder: Path) -> Path:
    label_set("yolo", lambda: "")(folder)
    (folder / "data.yaml").write_text(text)
    return folder


def _in_place(form: str, make: Callable[[Path], Any], folder: Path) -> Path:
    label_set(form, lambda: "")(folder)
    (folder / FILES[form]).unlink()
    make(folder / FILES[form])
    return folder


def _sparse(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(2**40)


def _masks(make: Callable[[Path], Any], folder: Path) -> Path:
    _write(folder / "images" / "a.png", saved("PNG"))
    (folder / "masks").mkdir()
    make(folder / "masks" / "a.png")
    return folder


def _read_masks(root: Path) -> object:
    return mask_folder(root=str(root), classes=("x",))


def _written(content: bytes) -> Callable[[Path], Any]:
    return lambda path: path.write_bytes(content)


MANY = 120 * 2**20  # bytes, close to the largest file that is read
LARGE: dict[str, tuple[Make, str]] = {
    "120 MB of empty polygons": (
        lambda: in_coco("[" + "[]," * (MANY // 3) + "[]]"),
        "a polygon of 0 points",
    ),
    "120 MB of annotations": (
        lambda: in_coco("[]").replace(
            '"annotations": [',
            '"annotations": [' + '{"image_id":1,"category_id":2},' * (MANY // 32),
        ),
        "there is no class 'category_id 2'",
    ),
}
SETS = {"coco": COCO, "labelme": LABELME, "supervisely": SUPERVISELY, "yolo": YOLO}
CASES = [
    *(
        Case(
            f"coco: {name}",
            label_set("coco", make),
            functools.partial(_read, "coco"),
            line,
            60.0,
            6_000.0,
            is_large=True,
        )
        for name, (make, line) in LARGE.items()
    ),
    *(
        Case(
            f"{form}: {name}",
            label_set(form, make),
            functools.partial(_read, form),
            line,
            8.0,
            700.0,
        )
        for form, contents in SETS.items()
        for name, (make, line) in contents.items()
    ),
    *(
        Case(
            f"yolo names: {name}",
            functools.partial(_names_set, text),
            functools.partial(_read, "yolo"),
            line,
        )
        for name, (text, line) in NAMES.items()
    ),
    *(
        Case(
            f"{form}: {name}",
            functools.partial(_in_place, form, make),
            functools.partial(_read, form),
            line,
        )
        for form in FORMS
        for name, make, line in (
            ("a pipe", os.mkfifo, "" if form == "coco" else "not a regular file"),
            (
                "a device",
                lambda path: path.symlink_to("/dev/zero"),
                "" if form == "coco" else "not a regular file",
            ),
            ("1 TB", _sparse, "" if form == "coco" else "1,099,511,627,776 bytes or more"),
        )
    ),
    *(
        Case(f"mask folder: {name}", functools.partial(_masks, make), _read_masks, line)
        for name, make, line in (
            ("a pipe", os.mkfifo, "not a regular file"),
            ("a device", lambda path: path.symlink_to("/dev/zero"), "not a regular file"),
            ("a folder", Path.mkdir, ""),
            ("1 TB", _sparse, "1,099,511,627,776 bytes or more"),
            ("a mask of 16,000 x 16,000", _written(png(16_000, 16_000)), "more than 100 million"),
            (
                "a mask of another size",
                _written(png(3_000, 3_000)),
                "3000 x 3000, its image 20 x 30",
            ),
            ("a mask of 16 bits", _written(png(30, 20, bits=16)), ""),
            ("a link to itself", lambda path: path.symlink_to("a.png"), "which is not there"),
        )
    ),
]
