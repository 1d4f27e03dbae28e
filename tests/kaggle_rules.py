"""Kaggle's rules for a Severstal submission, written from its page and sharing no code with ours.

https://www.kaggle.com/c/severstal-steel-defect-detection/overview/evaluation
"""

import csv


def broken_rules(path, images, classes, pixels):
    """What is wrong with a submission of either form.

    Args:
        path: of the file.
        images: names that have to be in it.
        classes: names.
        pixels: image -> how many it has.
    """
    csv.field_size_limit(10**7)  # a code of a noisy mask has more than 131,072 characters
    with path.open(newline="") as stream:
        header, *rows = csv.reader(stream)
    problems, seen = [], []
    if header == ["ImageId", "ClassId", "EncodedPixels"]:
        parted = [(image, label, code) for image, label, code in rows]
    elif header == ["ImageId_ClassId", "EncodedPixels"]:
        parted = [(*name.rsplit("_", 1), code) for name, code in rows]
    else:
        return [f"header {header}"]
    for image, label, code in parted:
        seen.append((image, label))
        if image in pixels:
            problems += [f"{image} {label}: {why}" for why in _wrong_runs(code, pixels[image])]
    wanted = {(image, label) for image in images for label in classes}
    problems += [f"{pair} is not asked for" for pair in set(seen) - wanted]
    problems += [f"{pair} is missing" for pair in wanted - set(seen)]
    problems += [f"{pair} is there twice" for pair in set(seen) if seen.count(pair) > 1]
    return problems


def _wrong_runs(code, pixels):
    numbers = code.split(" ") if code else []
    if not all(number.isdigit() for number in numbers):
        return ["not whole numbers"]
    if len(numbers) % 2:
        return ["a start without length"]
    problems, end = [], 0
    for start, length in zip(map(int, numbers[::2]), map(int, numbers[1::2]), strict=True):
        if start < 1 or length < 1 or start + length - 1 > pixels:
            problems.append(f"{start} {length} is out of bounds")
        if start <= end:
            problems.append(f"{start} {length} is not sorted or overlaps")
        end = start + length - 1
    return problems
