"""An earlier run that a new run names, and the images that it has seen.

The earlier run is one that the new run starts with, or one that labels images for it. What it has
seen is compared with the parts of the new run.
"""

import csv
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Literal, TypeVar, get_args

import numpy as np
from pydantic import BaseModel, ConfigDict

from steelexp.data.dataset import Dataset
from steelexp.data.duplicates.relatives import joint_groups
from steelexp.data.image_table import FILE as IMAGE_TABLE
from steelexp.data.image_table import read_image_table
from steelexp.data.run_data import SPLIT, read_run_data
from steelexp.data.splits.file import read_split
from steelexp.data.splits.split import Rows, Split
from steelexp.data.variant import select
from steelexp.errors import UserError, explain_read_errors, reason
from steelexp.privacy import public
from steelexp.records.store import RunFolder, is_run_folder
from steelexp.report.tables import is_trial
from steelexp.spec import ExperimentSpec
from steelexp.spreadsheet import csv_text
from steelexp.training import checkpoint

SEEN = "start.csv"
"""File of a run folder with the images that its first weights have seen, by content."""


FILE = "start.json"
"""File of a run folder about the run that it starts with."""

UNLABELLED = "unlabelled.json"
"""File of a run folder about its images without labels and their teacher."""

Facts = TypeVar("Facts", bound=BaseModel)

HEADER = ("image_hash", "part")

Part = Literal["train", "picked", "val"]
"""What an image did for a run: it trained it, picked its epoch or tuned it, or validated it."""

_PARTS = [[part] for part in get_args(Part)]


class Comparison(BaseModel):
    """The images that a starting run has seen, beside the parts of a new run.

    Attributes:
        val: Groups of the validation part by what an image of them did for the starting run.
        test: Groups of the test part by the same.
        not_compared: Images of the starting run that are not in the new data set and of which
            near-duplicates could not be looked for.
        why: Reason why they could not; "" where all were compared.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    val: dict[Part, int]
    test: dict[Part, int]
    not_compared: int
    why: str


def seen_images(folder: RunFolder, *, picked: bool) -> dict[str, Part]:
    """Image hash -> what the image did for the weights of a run and of those before it.

    Args:
        folder: Folder of the run.
        picked: Whether its validation images picked the epoch of the weights or tuned it.

    Raises:
        UserError: The run keeps no table of its images, or a table cannot be read.
    """
    contents = read_image_table(folder.file(IMAGE_TABLE))
    if contents is None:
        raise UserError(f"{folder.path}: it keeps no {IMAGE_TABLE}, which would tell its images")
    rank = get_args(Part)
    own: dict[str, Part] = {}
    for name, part in read_split(folder.file(SPLIT)).items():
        if part not in {"train", "val"}:
            continue
        if name not in contents:
            raise UserError(f"{folder.path}: {name} is in its {SPLIT} and not in its {IMAGE_TABLE}")
        role: Part = "train" if part == "train" else "picked" if picked else "val"
        image = contents[name].image
        own[image] = min(role, own.get(image, role), key=rank.index)
    return all_seen(seen_before(folder), own)


def all_seen(*parts: Mapping[str, Part]) -> dict[str, Part]:
    """Image hash -> the most that an image did, of several such mappings."""
    rank = get_args(Part)
    seen: dict[str, Part] = {}
    for images in parts:
        for image, role in images.items():
            seen[image] = min(role, seen.get(image, role), key=rank.index)
    return seen


def seen_text(seen: Mapping[str, Part]) -> str:
    """Content of the file `SEEN`."""
    return csv_text([HEADER, *sorted(seen.items())])


def seen_before(folder: RunFolder) -> dict[str, Part]:
    """The images that the first weights of a run have seen; none for a run that began anew.

    Raises:
        UserError: The run began with another one, and its table of images is lost or damaged.
    """
    file = folder.file(SEEN)
    if not file.is_file():
        for name in (FILE, UNLABELLED):
            if folder.file(name).is_file():
                raise UserError(f"{file}: missing, and {name} is there; restore it")
        return {}
    with explain_read_errors(file, "restore it"), file.open(newline="", encoding="utf-8") as stream:
        header, *rows = list(csv.reader(stream)) or [[]]
    if tuple(header) != HEADER or any(row[1:] not in _PARTS for row in rows):
        raise UserError(f"{file}: not a table of {','.join(HEADER)}; restore it")
    return dict(rows)  # type: ignore[return-value]


def compare_images(
    seen: Mapping[str, Part],
    dataset: Dataset,
    groups: Rows,
    split: Split,
    other: ExperimentSpec,
    white: int | None,
) -> Comparison:
    """Count the groups of the validation and test part with an image that has been seen."""
    here = set(dataset.image_hashes)
    elsewhere = {image: part for image, part in seen.items() if image not in here}
    rows_by_part = {
        part: [i for i, image in enumerate(dataset.image_hashes) if seen.get(image) == part]
        for part in get_args(Part)
    }
    missing = len(elsewhere)
    why = ""
    if elsewhere:
        try:
            relatives, missing = _relatives(elsewhere, dataset, other, white)
        except UserError as error:  # the data of that run are no longer there
            why = public(error.lines[0])
        else:
            rows_by_part = {part: rows_by_part[part] + relatives[part] for part in rows_by_part}
            why = f"{missing} are not in its data" if missing else ""
    counts = {
        name: {
            part: len(np.intersect1d(groups[rows], groups[np.array(own, np.int64)]))
            for part, own in rows_by_part.items()
        }
        for name, rows in (("val", split.val), ("test", split.test))
    }
    return Comparison(**counts, not_compared=missing, why=why)


def _relatives(
    elsewhere: Mapping[str, Part], dataset: Dataset, other: ExperimentSpec, white: int | None
) -> tuple[dict[Part, list[int]], int]:
    """Rows of the data set with a near-duplicate among images that are not in it.

    Args:
        elsewhere: Hash -> part of the images.
        dataset: Data set of the new run.
        other: Spec of the starting run, whose data hold the images.
        white: White level of the starting run.

    Returns:
        Part -> rows, and the number of images that its data no longer hold.

    Raises:
        UserError: Its data cannot be read.
    """
    data = read_run_data(other.data, white)
    first_rows: dict[str, int] = {}
    for row, image in enumerate(data.image_hashes):
        if image in elsewhere:
            first_rows.setdefault(image, row)
    if not first_rows:
        return {part: [] for part in get_args(Part)}, len(elsewhere)
    images = list(first_rows)
    own_rows = np.array([first_rows[image] for image in images], np.int64)
    groups, own_groups = joint_groups(dataset, select(data, own_rows))
    relatives: dict[Part, list[int]] = {}
    for part in get_args(Part):
        of_part = [i for i, image in enumerate(images) if elsewhere[image] == part]
        relatives[part] = np.flatnonzero(np.isin(groups, own_groups[of_part])).tolist()
    return relatives, len(elsewhere) - len(images)


def refuse_shared(
    folder: RunFolder,
    comparison: Comparison,
    *,
    best: bool,
    setting: str = "model.start",
    at: str = "model.start_at",
) -> None:
    """Raise where evaluated images trained the earlier run, picked its epoch or tuned it.

    Validation images of both may be the same: within one run, too, the validation part is what
    training is watched on. Test images have to be new to everything.

    Args:
        folder: Folder of the earlier run.
        comparison: Its images in the validation and test part.
        best: Whether the weights are those of its best epoch.
        setting: Setting that names the run.
        at: Setting that chooses its epoch.
    """
    did = {"train": "trained it", "picked": "picked its epoch", "val": "validated it"}
    problems = [
        f"{groups_in_words(count)} of the {name} part {did[part]}"
        for name, counts in (("val", comparison.val), ("test", comparison.test))
        for part, count in counts.items()
        if count and not (name == "val" and part == "val")
    ]
    if not problems:
        return
    only_picked = not comparison.val["train"] and not any(comparison.test.values())
    fix = f"take its split: split={{kind: file, path: {folder.path / SPLIT}}}, or another run"
    if only_picked and best and not is_trial(folder.path.resolve()):
        fix = f"take {at}=last, whose weights no image picked"
    elif only_picked:
        fix = "take other validation images, or a run that these did not tune"
    raise UserError(
        f"{setting}: {folder.path}: {', '.join(problems)}, so that scores would be too high; {fix}"
    )


def named_run(setting: str, path: str) -> RunFolder:
    """The run folder that a setting names.

    Args:
        setting: Dotted setting, for the message.
        path: Its value.

    Raises:
        UserError: It is no run folder.
    """
    if not is_run_folder(Path(path)):
        raise UserError(
            f"{setting}: {path}: no run folder; give one, such as runs/quickstart/DIGEST"
        )
    return RunFolder(Path(path))


def weights_file(folder: RunFolder, at: str) -> Path:
    """The file with the weights of the best epoch of a run, or of its last one."""
    return folder.best_weights if at == "best" else folder.last_weights


def hash_weights(setting: str, folder: RunFolder, digest: str, at: str) -> str:
    """Hash of the weights of a run that a setting names.

    Raises:
        UserError: They are no longer there, or damaged.
    """
    path = weights_file(folder, at)
    if not path.is_file():
        raise UserError(f"{setting}: {path}: no such file; the run's weights were moved")
    return checkpoint.hash_by_name(checkpoint.read_weights(path, digest))


def facts_text(facts: BaseModel) -> str:
    """The file of a run folder about another run, with the folder as others may see it."""
    values = facts.model_dump(mode="json")
    values["folder"] = public(values["folder"])
    return json.dumps(values, indent=2) + "\n"


def recorded_facts(own: RunFolder, name: str, model: type[Facts]) -> Facts | None:
    """What a run has recorded of another run when it began; None without such a file.

    Raises:
        UserError: The file is damaged.
    """
    file = own.file(name)
    if not file.is_file():
        return None
    try:
        return model.model_validate(json.loads(file.read_text("utf-8")))
    except ValueError as error:
        raise UserError(f"{file}: damaged ({reason(error)}); restore it") from None


def groups_in_words(count: int) -> str:
    """A number of groups: "1 group of near-duplicates"."""
    return f"{count} group{'' if count == 1 else 's'} of near-duplicates"
