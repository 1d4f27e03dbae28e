import functools
import json

import numpy as np
import pytest
from PIL import Image
from pyarrow import parquet

from steelexp.data.fold import Fold
from steelexp.data.tiling import columns, random_crops, whole
from steelexp.evaluation.counts import Counts, metrics
from steelexp.evaluation.judge import Judge, Verdict, write_strip_scores
from steelexp.model.losses import bce
from steelexp.records.store import Epoch, RunFolder
from steelexp.spec.schema import TrainingSpec
from tests.fakes import labelled, pixel_model, strips_of

CLASSES = ("dark", "bright")


@pytest.fixture(scope="module")
def strips(tmp_path_factory):
    """Five strips of 40 x 70, darker to the left; where it is dark or bright, labels lag behind."""
    draw = np.random.default_rng(0)
    images = [np.sort(draw.integers(0, 256, (40, 70)), axis=1) for _ in range(5)]
    masks = [(image < 40) * 0b01 | (image > 220) * 0b10 for image in images]
    masks[2] *= 0
    return strips_of(tmp_path_factory.mktemp("strips"), images, masks, CLASSES)


@pytest.fixture(scope="module")
def model():
    """Predicts dark where grey <= 50 and bright where grey >= 200."""
    return pixel_model((-0.1, 5.0), (0.1, -20.0))


@pytest.fixture
def judge(strips, model):
    """A function from settings to a judge that tunes on strips 4, 2 and 1."""

    def build(tiling=whole, seed=0, rows=(4, 2, 1), tested=(), **settings):
        training = TrainingSpec(**{"epochs": 1, "batch_size": 2, "overlays": 2, **settings})
        fold = Fold(np.array([0]), np.array(rows), np.array(tested, np.int64))
        return Judge(model, bce, training, strips, fold, tiling, seed)

    return build


def test_judges_the_given_strips_whole(judge, strips):
    verdict = judge(tiling=functools.partial(columns, size=32, count=1)).verdict()
    assert verdict.rows.tolist() == [4, 2, 1]
    for i, row in enumerate((4, 2, 1)):
        image, dark = strips.image(row), strips.mask(row) & 1 == 1
        assert verdict.counts.tp[i, 0] == (dark & (image <= 50)).sum()
        assert verdict.counts.fp[i, 0] == (~dark & (image <= 50)).sum()
        assert verdict.counts.fn[i, 0] == (dark & (image > 50)).sum()
    assert (verdict.counts.tp > 0).tolist() == [[True, True], [False, False], [True, True]]


def test_test_strips_are_judged_at_the_end_only(judge, tmp_path):
    judges = judge(rows=(4, 2), tested=(1, 3))
    verdict = judges.verdict()
    assert list(verdict.parts) == ["tune", "tune", "test", "test", "decided", "decided"]
    assert verdict.rows.tolist() == [4, 2, 1, 3, 1, 3]
    assert verdict.counts.tp.shape == (6, 2)
    for prefix, rows in (("val", slice(0, 2)), ("test", slice(2, 4)), ("decided", slice(4, 6))):
        counts = Counts(*(part[rows] for part in verdict.counts))
        for name, value in metrics(counts, CLASSES).items():
            assert verdict.metrics[f"{prefix}_{name}"] == value
    of_test = judge(rows=(1, 3)).verdict().metrics
    for name in ("loss", "dice_batch"):
        assert verdict.metrics[f"test_{name}"] == of_test[f"val_{name}"]
    after = judges.after_epoch(1, RunFolder(tmp_path))
    assert after == {k: v for k, v in verdict.metrics.items() if k.startswith("val_")}
    assert set(judges.shown) <= {4, 2}


def test_thresholds_are_tuned_on_the_tune_strips_and_used_on_the_test_strips(judge, strips):
    # Class dark is labelled where grey < 40 and scored 5 - grey / 10: 0.73 at grey 40. Class
    # bright is labelled where grey > 220 and scored grey / 10 - 20: 0.88 at 220.
    verdict = judge(rows=(4, 2), tested=(1, 3)).verdict()
    dark, bright = verdict.thresholds
    assert 0.72 <= dark <= 0.75
    assert 0.88 <= bright <= 0.89
    assert verdict.metrics["decided_dice_kaggle"] > 0.99 > verdict.metrics["test_dice_kaggle"]
    first = int(np.flatnonzero(np.array(verdict.parts) == "decided")[0])
    image, labels = strips.image(1).astype(float), strips.mask(1)
    found = 5 - image / 10 >= np.log(dark / (1 - dark))
    assert verdict.counts.tp[first, 0] == (found & (labels & 1 == 1)).sum()


def test_without_test_strips_nothing_is_tuned(judge):
    assert judge().verdict().thresholds is None


def test_metrics_are_those_of_the_counts_and_the_tiles(judge):
    verdict = judge().verdict()
    found = {f"val_{name}": value for name, value in metrics(verdict.counts, CLASSES).items()}
    assert set(verdict.metrics) - set(found) == {"val_loss", "val_dice_batch"}
    assert {name: verdict.metrics[name] for name in found} == found
    assert 0 < verdict.metrics["val_dice_positive/dark"] < 1


def test_obeys_the_threshold(judge, strips):
    # Class dark: 5 - grey / 10 >= log(0.9 / 0.1) = 2.197 up to grey 28.
    verdict = judge(threshold=0.9, rows=(1,)).verdict()
    found = strips.image(1) <= 28
    assert verdict.counts.tp[0, 0] + verdict.counts.fp[0, 0] == found.sum() > 0


def test_the_batch_size_moves_dice_batch_only(judge):
    one, two = (judge(batch_size=size).verdict() for size in (1, 2))
    changed = {name for name, value in one.metrics.items() if two.metrics[name] != value}
    assert changed - {"val_loss"} == {"val_dice_batch"}
    assert one.metrics["val_loss"] == pytest.approx(two.metrics["val_loss"], rel=1e-6)


def test_random_tiles_are_those_of_the_seed_and_strips_are_whole(judge):
    crops = functools.partial(random_crops, size=32, count=2)
    first, again, other = (judge(crops, seed=seed).verdict().metrics for seed in (1, 1, 2))
    assert again == first
    of_tiles = {"val_loss", "val_dice_batch"}
    assert {name for name in first if first[name] != other[name]} == of_tiles


def test_random_tiles_stay_the_same_from_epoch_to_epoch(judge, tmp_path):
    judges = judge(functools.partial(random_crops, size=32, count=2), seed=1)
    folder = RunFolder(tmp_path)
    assert judges.after_epoch(1, folder) == judges.after_epoch(2, folder)
    assert judges.verdict().metrics == judges.after_epoch(3, folder)


def test_draws_the_same_strips_after_every_epoch(judge, tmp_path):
    judges, folder = judge(overlays=2), RunFolder(tmp_path)
    for epoch in (1, 12):
        judges.after_epoch(epoch, folder)
        assert len(judges.shown) == 2
    assert set(judges.shown) <= {4, 2, 1}
    drawn = sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.png"))
    names = sorted(f"{row}.png" for row in judges.shown)
    epochs = ("epoch_001", "epoch_012")
    assert drawn == [f"overlays/{epoch}/{name}" for epoch in epochs for name in names]
    with Image.open(tmp_path / drawn[0]) as picture:
        assert picture.mode == "RGB"


def test_a_later_session_draws_the_strips_of_the_one_before(judge, tmp_path):
    folder, before = RunFolder(tmp_path), judge(overlays=2)
    before.shown = (4, 1)  # not what it would choose
    before.after_epoch(1, folder)
    folder.append(Epoch(1, 5, 0.1, {}))
    after = judge(overlays=2)
    after.after_epoch(2, folder)
    assert set(after.shown) == {4, 1}
    assert [path.name for path in folder.overlays(2)] == ["1.png", "4.png"]


def test_polygons_lie_beside_each_picture(judge, strips, tmp_path):
    judges = judge(overlays=1, rows=(1,))
    judges.after_epoch(1, RunFolder(tmp_path))
    truth, prediction = json.loads((tmp_path / "overlays" / "epoch_001" / "1.json").read_text())
    assert (truth["name"], prediction["name"]) == ("truth", "prediction")
    assert {entry["label"] for entry in truth["data"]} <= set(CLASSES)
    points = np.array(truth["data"][0]["points"][0]).reshape(-1, 2)
    factor = 720 // 70 + 1  # as the picture
    assert (points % factor == 0).all()
    label = CLASSES.index(truth["data"][0]["label"])
    assert all(strips.mask(1)[y, x] >> label & 1 for x, y in points // factor)


def test_draws_any_strips_on_demand(judge, tmp_path):
    judges = judge(overlays=0, rows=(4,), tested=(1, 3))
    judges.draw([], 2, RunFolder(tmp_path))
    judges.draw([3, 1], 2, RunFolder(tmp_path))
    drawn = sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.png"))
    assert drawn == ["overlays/epoch_002/1.png", "overlays/epoch_002/3.png"]


def test_draws_what_the_model_predicts(judge, strips, tmp_path):
    judges = judge(overlays=1, rows=(1,))
    judges.after_epoch(1, RunFolder(tmp_path))
    picture = np.asarray(Image.open(tmp_path / "overlays" / "epoch_001" / "1.png"))
    factor = 720 // 70 + 1  # enlarged to be wide enough for its legend
    pixels = picture[factor // 2 :: factor, factor // 2 :: factor][:40, :70]
    coloured = np.ptp(pixels.astype(int), axis=-1) > 0
    image = strips.image(1)
    untouched = (image > 100) & (image < 150)
    assert coloured[image < 20].all()  # predicted dark
    assert not coloured[untouched].any()


def test_draws_nothing_where_nothing_is_to_be_shown(judge, tmp_path):
    judges = judge(overlays=0)
    judges.after_epoch(1, RunFolder(tmp_path))
    assert judges.shown == ()
    assert list(tmp_path.iterdir()) == []


# --- strips.parquet


@pytest.fixture
def verdict():
    counts = Counts(
        tp=np.array([[3, 0], [0, 2]]), fp=np.array([[1, 0], [4, 0]]), fn=np.array([[2, 0], [0, 1]])
    )
    return Verdict(["tune", "test"], np.array([2, 0]), counts, {}, None)


THREE = labelled([[1, 1]] * 3)
GROUPS = np.array([7, 8, 9])


def test_strip_scores_have_a_row_a_strip_and_class(verdict, tmp_path):
    path = write_strip_scores(tmp_path, THREE, GROUPS, verdict)
    assert path == tmp_path / "strips.parquet"
    tuned = {"part": "tune", "strip": "00002.jpg", "group": 9}
    tested = {"part": "test", "strip": "00000.jpg", "group": 7}
    assert parquet.read_table(path).to_pylist() == [
        {**tuned, "class": "1", "tp": 3, "fp": 1, "fn": 2, "dice": 6 / 9},
        {**tuned, "class": "2", "tp": 0, "fp": 0, "fn": 0, "dice": 1.0},
        {**tested, "class": "1", "tp": 0, "fp": 4, "fn": 0, "dice": 0.0},
        {**tested, "class": "2", "tp": 2, "fp": 0, "fn": 1, "dice": 4 / 5},
    ]


def test_strip_scores_give_the_metrics_back(judge, strips, tmp_path):
    found = judge().verdict()
    table = parquet.read_table(write_strip_scores(tmp_path, strips, np.arange(5), found))
    frame = table.to_pandas()
    counts = Counts(*(frame[name].to_numpy().reshape(3, 2) for name in ("tp", "fp", "fn")))
    again = {f"val_{name}": value for name, value in metrics(counts, CLASSES).items()}
    assert again == {name: found.metrics[name] for name in again}


def test_strip_scores_replace_a_file_whole(verdict, tmp_path):
    (tmp_path / "strips.parquet").write_text("torn")
    write_strip_scores(tmp_path, THREE, GROUPS, verdict)
    assert [path.name for path in tmp_path.iterdir()] == ["strips.parquet"]
    assert parquet.read_table(tmp_path / "strips.parquet").num_rows == 4
