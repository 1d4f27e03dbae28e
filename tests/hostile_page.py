"""Run folders and a search with script in every field that takes a text of somebody."""

import json
from pathlib import Path

from steelexp.records.store import Epoch, RunFolder
from steelexp.terminal import visible
from tests.finished_runs import PARTS, reseal
from tests.page_folders import picture, write_report
from tests.simulated_runs import Study, write_study
from tests.simulated_searches import SPACE, search, trial, write_search

ATTACK = (
    "\"'></style></title></script><script>window.hacked=1;alert(1)</script>"
    "<img src=x onerror=window.hacked=2><svg onload=alert(3)><iframe src=javascript:alert(4)>"
    "<a href='javascript:alert(5)'>{{7*7}}${7*7}<!--\x1b[31m\u202e"
)
FILE_ATTACK = "\"'><script>alert(6)<img src=x onerror=window.hacked=7>"
"""As above, without what a file name cannot hold."""


def attack(field: str) -> str:
    """A text that attacks, and names its field."""
    return f"{field}:{ATTACK}"


def hostile_runs(root: Path) -> tuple[Path, set[str]]:
    """Two strategies on the same images and a search.

    Returns:
        The folder, and each text as the page has to show it.
    """
    classes = (attack("class 1"), attack("class 2"))
    parts = PARTS | {
        "val": 12,
        "test": 47,  # as drawn; a record of other images is not compared
        "digest": attack("digest of the split"),
        "images_per_class": dict.fromkeys(("train", "val", "test"), dict.fromkeys(classes, 3)),
    }
    study = Study(seeds=2, groups=20, held=(0.5, 0.5), tuned=0.1)
    names = ("started", "device", "data", "tracking", "monitor")
    fields = {name: attack(name) for name in names}
    provenance = {
        "commit": attack("commit"),
        "branch": attack("branch"),
        "dirty": True,
        **{name: attack(name) for name in ("python", "platform", "processor")},
        "packages": {attack("package"): attack("version")},
    }
    folders = write_study(
        root / FILE_ATTACK,
        study,
        classes=classes,
        split={"kind": attack("kind"), "parts": parts},
        definitions={attack("definition"): attack("meaning")},
        provenance=provenance,
        command=f"steelexp run '{attack('command').replace(chr(39), '')}'",
        **fields,
    )
    for number, path in enumerate(folders):
        _run_files(RunFolder(path), classes, number)
    shown = {
        *(fields[name] for name in names if name != "data"),
        *classes,
        *(_spec_texts(n)[key] for n in (0, 1) for key in ("source", "root")),
    }
    shown |= {attack(name) for name in ("kind", "branch", "python", "platform", "processor")}
    shown |= {attack(name) for name in ("definition", "meaning", "package", "version", "reason")}
    shown |= _write_search(root / FILE_ATTACK / "q" / "search")
    shown.add(FILE_ATTACK)
    return root / FILE_ATTACK, set(map(visible, shown))


def _run_files(folder: RunFolder, classes: tuple[str, ...], number: int) -> None:
    spec = folder.path / "spec.yaml"
    text = spec.read_text()
    for key, value in _spec_texts(number).items():
        old = {"question": "question: ''", "source": "source: published", "root": "root: drawn"}[
            key
        ]
        assert old in text
        text = text.replace(old, f"{key}: {json.dumps(value)}")
    spec.write_text(text)
    for epoch in (1, 2):
        metrics = {f"val_dice_positive/{label}": 0.1 * epoch for label in classes}
        metrics |= {"loss": 1 / epoch, "val_loss": 1.1 / epoch, "val_dice_positive": 0.2 * epoch}
        folder.append(Epoch(epoch, 10 * epoch, 1.0, metrics))
        file = folder.overlay(epoch, f"{FILE_ATTACK}.jpg")
        file.parent.mkdir(parents=True, exist_ok=True)
        picture(file, epoch)
    write_report(folder.path, classes, reason=attack("reason"))
    reseal(folder.path)


def _spec_texts(number: int) -> dict[str, str]:
    return {
        "question": attack("question"),
        "source": attack("source"),
        "root": attack(f"root {number}").replace("/", ""),
    }


def _write_search(folder: Path) -> set[str]:
    path = attack("setting")
    space = {**SPACE, path: {"choice": [attack("choice 1"), attack("choice 2")]}}
    trials = [
        trial(0, {path: attack("choice 1")}, 0.5),
        trial(1, {path: attack("choice 2")}, None, reason=attack("failure")),
    ]
    trials[0]["continues"] = attack("continues")
    texts = {"name": attack("search"), "objective": attack("objective")}
    tuner = {"name": attack("tuner"), attack("tuner key"): attack("tuner value")}
    content = search(trials, space=space, tuner=tuner, **texts)
    write_search(folder, content)
    return {*texts.values(), path, tuner["name"], attack("failure"), attack("continues")}
