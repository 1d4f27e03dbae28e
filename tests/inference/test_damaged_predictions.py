"""A prediction folder that was damaged is mended or refused, never believed."""

import json
import shutil

import cv2
import numpy as np
import pytest

from steelexp.errors import UserError
from steelexp.inference.image_files import image_files
from steelexp.inference.predict import predict
from steelexp.records.prediction_settings import FILE as SETTINGS
from tests.damages import Outcome, damages, write_table
from tests.predictors import pixel_predictor, write_images


def predicted(images, out, **rules):
    return predict(pixel_predictor(**rules), image_files([str(images)]), out)


def files(out):
    """The files of the result; the journal may have more lines, and keeps what was damaged."""
    every = (path for path in sorted(out.rglob("*")) if path.is_file())
    return {
        str(path.relative_to(out)): path.read_bytes()
        for path in every
        if not path.name.startswith(("journal.jsonl", ".lock"))
    }


@pytest.fixture
def whole(tmp_path):
    """A finished prediction, the one of the same images with other rules, and a place to damage."""
    write_images(tmp_path / "in", 3)
    predicted(tmp_path / "in", tmp_path / "whole")
    rules = {label: {"threshold": 0.6} for label in ("bright", "dark")}
    predicted(tmp_path / "in", tmp_path / "other", **rules)
    return tmp_path / "whole"


def outcome_of(images, out, wanted):
    """What the same command makes of a damaged folder."""
    before = files(out)
    text = ""
    try:
        predicted(images, out)
    except UserError as error:
        text = str(error)
    if text:
        assert "\n" not in text
        assert str(out) in text
        assert files(out) == before
        return "refused", text
    now = files(out)
    if now != wanted:  # a space, in or behind the JSON text
        assert now == {**wanted, SETTINGS: now[SETTINGS]}
        assert json.loads(now[SETTINGS]) == json.loads(wanted[SETTINGS])
        return "the same values", ""
    return "mended", ""


def test_every_damage_of_a_prediction_is_mended_or_refused(whole, tmp_path):
    rng = np.random.default_rng(0)
    wanted = files(whole)
    names = [name for name in wanted if "/" not in name or "0001" in name]
    outcomes = []
    for name in [*names, "journal.jsonl"]:
        for damage in damages(whole / name, rng, other=tmp_path / "other" / name):
            out = tmp_path / "damaged"
            shutil.copytree(whole, out)
            damage.apply(out / name)
            outcome, text = outcome_of(tmp_path / "in", out, wanted)
            outcomes.append(Outcome(name, damage.name, outcome, text))
            shutil.rmtree(out)
    write_table(outcomes)
    assert len(outcomes) >= 100
    refused = {each.file for each in outcomes if each.outcome == "refused"}
    assert refused == {"prediction.json"}


def test_a_journal_is_mended_with_a_line_and_kept(whole, tmp_path, capsys):
    file = whole / "journal.jsonl"
    lines = file.read_bytes().splitlines(keepends=True)
    file.write_bytes(lines[0] + lines[2])
    predicted(tmp_path / "in", whole)
    said = capsys.readouterr().out.splitlines()
    assert said[0].startswith(f"{file}:2: not an image's prediction (it does not go on from")
    assert said[0].endswith("Lines left out from there on: 1. Their images are predicted again")
    assert (whole / "journal.jsonl.damaged-1").read_bytes() == lines[0] + lines[2]
    assert said[1] == f"{whole}: 1 of 3 images are predicted already"


def test_a_lost_or_changed_picture_is_made_again_with_a_line(whole, tmp_path, capsys):
    wanted = files(whole)
    (whole / "masks" / "0001.png").unlink()
    cv2.imwrite(str(whole / "overlays" / "0002.png"), np.zeros((8, 8), np.uint8))
    predicted(tmp_path / "in", whole)
    said = capsys.readouterr().out.splitlines()
    assert said[0] == (
        f"{whole}: the mask or overlay of 0001.png and of 1 more is missing or damaged; "
        "predicting again"
    )
    assert files(whole) == wanted
    predicted(tmp_path / "in", whole)
    assert "again" not in capsys.readouterr().out


def test_the_journal_of_another_prediction_is_not_believed(whole, tmp_path, capsys):
    """Of the same images, by other rules."""
    wanted = files(whole)
    shutil.copy(tmp_path / "other" / "journal.jsonl", whole / "journal.jsonl")
    predicted(tmp_path / "in", whole)
    assert "Lines left out from there on: 3" in capsys.readouterr().out
    assert files(whole) == wanted
