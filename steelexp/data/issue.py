"""Issues of a data set, and how to fix each kind."""

from pathlib import Path
from typing import NamedTuple

FIXES = {
    "unreadable table": "copy it again from its source, and save it as UTF-8 text",
    "wrong header": "give the table the published columns",
    "malformed row": "correct or remove the row",
    "missing image": "copy the image from its source, correct the name, or remove the row",
    "unknown class": "correct the class, or remove the row",
    "duplicate row": "keep one row for each image and class",
    "missing row": "add the rows with empty runs: in this form every image has all classes",
    "invalid runs": "encode the mask again (start length, from 1, down the columns), or remove it",
    "empty mask": "remove the row, as a clean image has none in this form, or restore its runs",
    "overlapping classes": "give each pixel to one class",
    "unreadable image": "copy the image again from its source, or remove it and its labels",
    "turned image": "check that the labels fit the image as viewers show it, or save it turned",
    "unread file": "rename the file or make it readable, as the line says, or move it elsewhere",
    "wrong size": "crop or scale image and labels to the others' size, or remove them",
    "colour image": "replace the image by the camera's grey one, or remove it",
    "wrong depth": "set data.grey.white to its white level, or save the image with 8 bits",
    "blank image": "copy the image again from its source, or remove it and its labels",
    "duplicate image": "compare their labels, and remove one of the two",
    "JPEG by another name": "save it again from its source, without loss; masks cannot be JPEGs",
    "interpolated mask": "make the mask again from the drawing; scale it to nearest pixels only",
    "shifted labels": "look at images with their labels; a file may be missing, or one too many",
    "class missing from part": "use a split by class, such as split.kind=grouped, or more images",
    "no labels": "check the folder or the table of the labels: nothing can be learnt without any",
    "mask on black": "check the image: the mask may be another image's, mirrored or transposed",
    "missing folder": "copy the folder from its source, or move its counterpart elsewhere",
    "missing mask": "add the mask (all 0 where the image is clean), or remove the image",
    "mask without image": "copy the image from its source, or remove the mask",
    "shared mask": "remove or rename one of the two images",
    "unreadable mask": "copy the mask again from its source, or remove it and its image",
    "second mask": "remove or rename one of the two masks",
    "mask size": "make the mask from this very image, without scaling or cropping",
    "mask value": "write 0 for background and k for the k-th class, or name it in data.values",
    "runs along rows": "set data.source=csv and data.order=rows, or count them down the columns",
    "runs from 0": "set data.source=csv and data.start=0, or count the pixels from 1",
    "cut cell": "take the table from its source again, without opening it in a spreadsheet",
    "unreadable labels": "write the file again with its tool, or correct the key",
    "invalid shape": "correct the shape in the tool that drew it, or remove it",
    "label size": "make the labels from this very image, without scaling or cropping",
    "missing labels": "add the labels, or say that such images are clean: data.absent=clean",
    "shared labels": "rename or remove one of the two images",
    "duplicate entry": "keep one entry for each image",
    "malformed split row": "write image,part with a part of train, val, test or unused",
    "unknown image in split": "correct the name, or remove the row",
    "duplicate split row": "keep one row for each image",
    "image without part": "add a row for the image to the split",
    "refused by its loader": "correct it as the line says, and examine the folder again",
    "leak": "use a split that keeps near-duplicates together, such as split.kind=grouped",
}
"""How to fix an issue, by kind."""


class Issue(NamedTuple):
    """An issue of a data set.

    Attributes:
        kind: Kind of the issue, a key of FIXES.
        file: File with the issue.
        row: Line of the file, from 1; None if the file is not a table.
        text: Description of the issue.
    """

    kind: str
    file: Path
    row: int | None
    text: str

    @property
    def fix(self) -> str:
        """How to fix the issue."""
        return FIXES[self.kind]

    def __str__(self) -> str:
        place = self.file if self.row is None else f"{self.file}:{self.row}"
        return f"{place}: {self.text}"
