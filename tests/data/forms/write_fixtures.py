"""Write small sets of labels with the tools that people use, for test_forms_of_tools.py.

    python -m venv tools
    tools/bin/pip install labelme==6.3.1 datumaro==1.13.12 pycocotools==2.0.11
    tools/bin/pip install supervisely==6.74.51
    tools/bin/pip install --no-deps ultralytics==8.4.190
    tools/bin/python tests/data/forms/write_fixtures.py tests/data/forms/fixtures

`source/` holds the masks that every set shows: 0 background, 1 "scratch", 2 "patch".
"""

import json
import sys
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

CLASSES = ("scratch", "patch")
SIZE = (40, 64)


def source_masks() -> dict[str, np.ndarray]:
    """Thin lines, a blob with a hole, and a clean image."""
    first = np.zeros(SIZE, np.uint8)
    cv2.polylines(first, [np.array([[3, 35], [20, 12], [30, 14], [44, 2]])], False, 1, 1)
    cv2.ellipse(first, (50, 26), (10, 7), 30, 0, 360, 2, -1)
    second = np.zeros(SIZE, np.uint8)
    cv2.circle(second, (18, 20), 13, 2, -1)
    cv2.circle(second, (18, 20), 5, 0, -1)
    second[5:38, 50] = 1
    second[30, 40:60] = 1
    return {"a.png": first, "b.png": second, "clean.png": np.zeros(SIZE, np.uint8)}


def write_images(folder: Path) -> None:
    folder.mkdir(parents=True)
    for seed, name in enumerate(source_masks()):
        grey = np.random.default_rng(seed).integers(90, 110, SIZE, np.uint8)
        Image.fromarray(grey).save(folder / name)


def write_source(folder: Path) -> None:
    write_images(folder / "images")
    (folder / "masks").mkdir()
    for name, mask in source_masks().items():
        Image.fromarray(mask).save(folder / "masks" / name)


def write_labelme(folder: Path) -> None:
    """Masks and polygons by labelme's own LabelFile; `labelme_expected` is labelme's reading."""
    from labelme import utils
    from labelme._label_file import LabelFile

    write_images(folder)
    expected_folder = folder.with_name("labelme_expected")
    expected_folder.mkdir()
    for name, mask in source_masks().items():
        shapes = []
        for value, label in enumerate(CLASSES, start=1):
            if not (mask == value).any():
                continue
            y, x = np.nonzero(mask == value)
            box = [[int(x.min()), int(y.min())], [int(x.max()), int(y.max())]]
            part = (mask == value)[y.min() : y.max() + 1, x.min() : x.max() + 1]
            data = utils.img_arr_to_b64(part.astype(np.uint8))
            shapes.append(
                {"label": label, "points": box, "shape_type": "mask", "mask": data, "flags": {}}
            )
        if name == "clean.png":
            shapes = [
                {"label": "patch", "points": [[4.2, 5.4], [20.7, 6.1], [18.3, 30.8], [6.9, 22.2]]},
                {"label": "scratch", "points": [[40, 5], [60, 5], [60, 6], [40, 6]]},
                {"label": "patch", "points": [[30, 20], [36, 32]], "shape_type": "rectangle"},
                {"label": "patch", "points": [[50, 25], [50, 31]], "shape_type": "circle"},
            ]
            shapes = [{"shape_type": "polygon", "flags": {}, **shape} for shape in shapes]
        file = folder / Path(name).with_suffix(".json")
        LabelFile().save(
            str(file), shapes, name, *SIZE, image_data=LabelFile.load_image_file(str(folder / name))
        )
        read = LabelFile(str(file)).shapes
        numbers = {label: k for k, label in enumerate(CLASSES, start=1)}
        expected, _ = utils.shapes_to_label((*SIZE, 3), read, numbers)
        Image.fromarray(expected.astype(np.uint8)).save(expected_folder / name)


def write_pycocotools(folder: Path) -> None:
    """Both kinds of RLE by pycocotools; category ids 7 and 3, images in folders."""
    from pycocotools import mask as api

    write_images(folder / "images" / "camera 1")
    images = []
    annotations = []
    for number, (name, mask) in enumerate(source_masks().items()):
        entry = {"id": 100 + number, "file_name": f"camera 1/{name}"}
        images.append(entry | {"height": SIZE[0], "width": SIZE[1]})
        for value, category in ((1, 7), (2, 3)):
            part = np.asfortranarray((mask == value).astype(np.uint8))
            if not part.any():
                continue
            code = api.encode(part)
            code["counts"] = code["counts"].decode()
            box = api.toBbox(code).tolist()
            if value == 2:  # the uncompressed kind, of crowd regions
                flat = part.ravel(order="F")
                edges = np.flatnonzero(np.diff(flat)) + 1
                code["counts"] = np.diff(np.r_[0, edges, flat.size]).tolist()
                api.frPyObjects(code, *SIZE)
            annotation = {"id": len(annotations), "image_id": 100 + number}
            annotation |= {"category_id": category, "segmentation": code, "bbox": box}
            annotations.append(annotation | {"iscrowd": value - 1, "area": int(part.sum())})
    categories = [{"id": 7, "name": "scratch"}, {"id": 3, "name": "patch"}]
    content = {"images": images, "annotations": annotations, "categories": categories}
    (folder / "instances.json").write_text(json.dumps(content))


def write_datumaro(folder: Path) -> None:
    """COCO polygons by datumaro, which exports CVAT's tasks."""
    import datumaro as dm
    from datumaro.components.media import Image as Media

    items = []
    for name, mask in source_masks().items():
        annotations = []
        for value in (1, 2):
            rings, _ = cv2.findContours(
                (mask == value).astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE
            )
            for ring in rings:
                points = ring.ravel().tolist()
                group = len(annotations) + 1
                annotations.append(dm.Polygon(points, label=value - 1, id=group, group=group))
        grey = np.asarray(Image.open(folder.parent / "source" / "images" / name))
        media = Media.from_numpy(data=grey, ext=".png")
        items.append(dm.DatasetItem(Path(name).stem, media=media, annotations=annotations))
    dataset = dm.Dataset.from_iterable(items, categories=list(CLASSES))
    dataset.export(str(folder), "coco_instances", save_media=True)


def write_supervisely(folder: Path) -> None:
    """A bitmap and a polygon with a hole by Supervisely's SDK."""
    import supervisely as sly

    scratch = sly.ObjClass("scratch", sly.Bitmap)
    patch = sly.ObjClass("patch", sly.AnyGeometry)
    meta = sly.ProjectMeta(obj_classes=[scratch, patch])
    project = sly.Project(str(folder), sly.OpenMode.CREATE)
    project.set_meta(meta)
    dataset = project.create_dataset("train")
    for name, mask in source_masks().items():
        labels = []
        if (mask == 1).any():
            labels.append(sly.Label(sly.Bitmap(mask == 1), scratch))
        if name == "a.png":
            labels.append(sly.Label(sly.Bitmap(mask == 2), patch))
        elif name == "b.png":
            rings, _ = cv2.findContours(
                (mask == 2).astype(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE
            )
            outer, inner = (
                [sly.PointLocation(int(y), int(x)) for x, y in ring.reshape(-1, 2)]
                for ring in sorted(rings, key=len, reverse=True)
            )
            labels.append(sly.Label(sly.Polygon(outer, [inner]), patch))
        annotation = sly.Annotation(SIZE, labels)
        source = folder.parent / "source" / "images" / name
        dataset.add_item_file(name, str(source), ann=annotation)
        canvas = np.zeros(SIZE, np.uint8)
        for label in labels:
            label.geometry.draw(
                canvas, color=meta.obj_classes.keys().index(label.obj_class.name) + 1
            )
        expected = folder.with_name("supervisely_expected")
        expected.mkdir(exist_ok=True)
        Image.fromarray(canvas).save(expected / name)


def mock_torch() -> None:
    """Let packages that want torch and torchvision be imported without these."""
    import importlib.abc
    import importlib.machinery
    import importlib.metadata
    from unittest.mock import MagicMock

    class Mock(importlib.abc.MetaPathFinder, importlib.abc.Loader):
        def find_spec(self, name, path=None, target=None):
            is_torch = name.split(".")[0] in ("torch", "torchvision")
            return importlib.machinery.ModuleSpec(name, self) if is_torch else None

        def create_module(self, spec):
            module = MagicMock(__path__=[], __version__="2.4.0", __name__=spec.name)
            module.jit.TracerWarning = UserWarning
            module.Module = module.Dataset = module.Sampler = object
            return module

        def exec_module(self, module):
            pass

    sys.meta_path.insert(0, Mock())
    versions = importlib.metadata.version
    importlib.metadata.version = lambda name: "2.4.0" if "torch" in name else versions(name)


def write_ultralytics(folder: Path) -> None:
    """Polygons by the converter of Ultralytics, which imports torch and does not use it here."""
    mock_torch()
    from ultralytics.data.converter import convert_segment_masks_to_yolo_seg

    write_images(folder / "images")
    convert_segment_masks_to_yolo_seg(
        str(folder.parent / "source" / "masks"), str(folder / "labels"), classes=2
    )
    (folder / "data.yaml").write_text("names:\n  0: scratch\n  1: patch\n")


if __name__ == "__main__":
    out = Path(sys.argv[1])
    write_source(out / "source")
    write_labelme(out / "labelme")
    write_pycocotools(out / "pycocotools")
    write_datumaro(out / "datumaro")
    write_supervisely(out / "supervisely")
    write_ultralytics(out / "ultralytics")
