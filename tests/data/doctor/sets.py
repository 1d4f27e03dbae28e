"""Small sets in the two layouts, with every pixel known."""

import cv2
import numpy as np


def texture(seed, size=(32, 48)):
    """Grey noise, [H, W]."""
    return np.random.default_rng(seed).integers(20, 256, size, np.uint8)


def save_png(path, values):
    """Write values as PNG, under any suffix; readers go by the content."""
    path.write_bytes(cv2.imencode(".png", values)[1].tobytes())


def save_masks(folder, masks, images="images", labels="masks", image=texture):
    """A folder of masks of class numbers, with images 0.png, 1.png, ... of noise."""
    (folder / images).mkdir(parents=True)
    (folder / labels).mkdir(parents=True)
    for i, mask in enumerate(masks):
        save_png(folder / images / f"{i:02d}.png", image(i, mask.shape))
        save_png(folder / labels / f"{i:02d}.png", mask)
    return folder


def save_strips(folder, images, rows):
    """Severstal's layout: images by name, and rows of name, class and runs."""
    (folder / "train_images").mkdir(parents=True)
    for name, image in images.items():
        save_png(folder / "train_images" / name, image)
    lines = ["ImageId,ClassId,EncodedPixels", *map(",".join, rows), ""]
    (folder / "train.csv").write_text("\n".join(lines))
    return folder
