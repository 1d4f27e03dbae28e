"""Runs that start with the weights of another: what it has seen is compared, and refused."""

import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest

from steelexp import experiment
from steelexp.data import rle
from steelexp.errors import UserError
from steelexp.external_evaluation import count_relatives
from steelexp.plan import Plan, SpecModel, prepare
from steelexp.records.external_evaluation import Relatives
from steelexp.records.record import Record
from steelexp.records.store import Epoch, RunFolder
from steelexp.run_description import describe
from steelexp.spec import load
from steelexp.starting_images import SEEN
from steelexp.starting_run import start_lines
from steelexp.training import checkpoint
from tests.fakes import compiled
from tests.finished_runs import record, reseal

PARTS = "ttttttvvxx"
"""Part of each image: train, val, or test (x)."""


def write_images(root: Path, images: list[np.ndarray], form: str = "png") -> Path:
    """Images in Kaggle's layout, each with a square of class 1 or 2."""
    (root / "train_images").mkdir(parents=True)
    rows = ["ImageId,ClassId,EncodedPixels"]
    for number, image in enumerate(images):
        mask = np.zeros(image.shape, bool)
        mask[16:48, 8 * number + 8 : 8 * number + 40] = True
        rows.append(f"{number}.{form},{number % 2 + 1},{rle.encode(mask)}")
        cv2.imwrite(str(root / "train_images" / f"{number}.{form}"), image)
    (root / "train.csv").write_text("\n".join(rows) + "\n")
    return root


def steel(seed: int, count: int = 10) -> list[np.ndarray]:
    """Images of 64 x 128 with blotches, no two alike."""
    draw = np.random.default_rng(seed)
    small = draw.integers(40, 200, (count, 8, 16), np.uint8)
    return [cv2.resize(each, (128, 64), interpolation=cv2.INTER_CUBIC) for each in small]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return write_images(tmp_path / "severstal", steel(0))


def spec_of(folder: Path, data: Path, parts: str, name: str = "tiny") -> Path:
    words = {"t": "train", "v": "val", "x": "test", "-": "unused"}
    form = next((data / "train_images").iterdir()).suffix
    lines = ["image,part", *(f"{i}{form},{words[part]}" for i, part in enumerate(parts))]
    split = folder / f"{name}-{parts}.csv"
    split.write_text("\n".join(lines) + "\n")
    path = folder / f"{name}-{parts}.yaml"
    path.write_text(f"""
        name: {name}
        data: {{source: severstal, root: {data}, cache: none}}
        split: {{kind: file, path: {split}}}
        tiling: {{kind: columns, size: 64, count: 1}}
        model: {{architecture: unet, backbone: mobilenet, weights: none,
                decoder_filters: [4, 4, 4, 4, 4]}}
        loss: {{name: bce_dice}}
        optimizer: {{name: adam, learning_rate: 1.0e-3}}
        training: {{epochs: 2, batch_size: 3}}
        tracking: {{name: none}}
        seed: 1
    """)
    return path


def planned(spec: Path, *overrides: str, own: RunFolder | None = None) -> Plan:
    return prepare(load(spec, overrides, model=SpecModel), spec.parent / "runs", own=own)


def finish(plan: Plan, weight: float = 1.0) -> RunFolder:
    """Leave what a finished run of a plan leaves, with the weights of a tiny network."""
    folder = plan.folder
    describe(plan)
    model = compiled()
    for variable in model.weights:
        variable.assign(np.full(variable.shape, weight))
    epochs = [Epoch(n, n, 1.0, {"loss": 0.1}) for n in (1, 2)]
    checkpoint.save(folder.last_weights, model, epochs, plan.digest)
    checkpoint.save(folder.best_weights, model, epochs[:1], plan.digest)
    fields = {
        "digest": plan.digest,
        "name": plan.spec.name,
        "epochs": 2,
        "best_epoch": 1,
        "class_weights": dict.fromkeys(plan.dataset.classes, 1.0),
        "data": plan.dataset.manifest,
        "split": plan.split_summary,
    }
    folder.finish(record(**fields))
    return folder


@pytest.fixture
def first(tmp_path: Path, data: Path) -> RunFolder:
    """A finished run."""
    return finish(planned(spec_of(tmp_path, data, PARTS)))


def second(tmp_path: Path, data: Path, parts: str, *overrides: str) -> Plan:
    return planned(spec_of(tmp_path, data, parts, "second"), *overrides)


def test_a_run_of_the_same_split_starts_after_the_last_epoch(tmp_path, data, first):
    plan = second(tmp_path, data, PARTS, f"model.start={first.path}")
    assert plan.start is not None
    assert (plan.start.digest, plan.start.epoch) == (first.digest, 2)
    assert plan.start.comparison.val == {"train": 0, "picked": 0, "val": 2}
    assert plan.start.comparison.test == {"train": 0, "picked": 0, "val": 0}
    assert start_lines(plan.start, plan.dataset.classes) == [
        f"Starts with all weights of {first.path} after its epoch 2, its last one.",
        (
            "2 groups of near-duplicates of the val part validated that run as well; both "
            "trainings were watched on them."
        ),
    ]
    (line,) = start_lines(plan.start.model_copy(update={"at": "continue"}), plan.dataset.classes)
    assert line == f"Goes on with {first.path} after its 2 epochs."
    assert "begins anew" in start_lines(plan.start, ("1", "2", "3"))[1]


def test_validation_images_that_picked_the_epoch_are_refused(tmp_path, data, first):
    with pytest.raises(UserError) as refused:
        second(tmp_path, data, PARTS, f"model.start={first.path}", "model.start_at=best")
    assert str(refused.value) == (
        f"model.start: {first.path}: 2 groups of near-duplicates of the val part picked its epoch, "
        "so that scores would be too high; take model.start_at=last, whose weights no image picked"
    )


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ("ttttvtttxx", "1 group of near-duplicates of the val part trained it,"),
        ("tttttxvvxx", "1 group of near-duplicates of the test part trained it,"),
        ("tttttttvxx", None),
        ("tttttxtxvx", "of the test part trained it, 1 group of near-duplicates of the test part "),
        ("tttttt--vx", None),  # an image that only tested it may validate
    ],
)
def test_evaluated_images_that_trained_or_tuned_are_refused(tmp_path, data, first, parts, message):
    if message is None:
        assert second(tmp_path, data, parts, f"model.start={first.path}").start is not None
        return
    with pytest.raises(UserError) as refused:
        second(tmp_path, data, parts, f"model.start={first.path}")
    assert message in str(refused.value)
    assert f"take its split: split={{kind: file, path: {first.path / 'split.csv'}}}" in str(
        refused.value
    )


def test_near_duplicates_in_other_data_are_found(tmp_path, data, first):
    copy = steel(0)[3][4:, 4:]  # of an image that trained, cut at two sides
    other = write_images(tmp_path / "other", [*steel(1, 5), copy])
    plan = second(tmp_path, other, "ttvxxt", f"model.start={first.path}")
    assert plan.start.comparison.not_compared == 0
    with pytest.raises(UserError, match="1 group of near-duplicates of the test part trained it"):
        second(tmp_path, other, "ttvxtx", f"model.start={first.path}")


@pytest.mark.parametrize("form", ["bmp", "jpg"])
def test_the_same_pictures_in_another_format_are_found(tmp_path, data, first, form):
    other = write_images(tmp_path / "other", steel(0), form)
    with pytest.raises(UserError, match="2 groups of near-duplicates of the test part trained it"):
        second(tmp_path, other, "ttttxxvvtt", f"model.start={first.path}")
    plan = second(tmp_path, other, PARTS, f"model.start={first.path}")
    assert plan.start.comparison.val == {"train": 0, "picked": 0, "val": 2}


def test_without_its_data_the_comparison_is_by_content_and_says_so(tmp_path, data, first):
    other = write_images(tmp_path / "other", [*steel(1, 5), steel(0)[3][4:, 4:]])
    shutil.move(data, tmp_path / "away")
    plan = second(tmp_path, other, "ttvxtx", f"model.start={first.path}")
    assert plan.start.comparison.not_compared == 8
    lines = start_lines(plan.start, plan.dataset.classes)
    assert lines[-1].startswith(
        "8 images that it has seen are compared by content alone, without their near-duplicates ("
    )
    same = write_images(tmp_path / "same", [*steel(1, 5), steel(0)[3]])
    with pytest.raises(UserError, match="1 group of near-duplicates of the test part trained it"):
        second(tmp_path, same, "ttvxtx", f"model.start={first.path}")


def test_images_of_the_runs_before_count_too(tmp_path, data, first):
    other = write_images(tmp_path / "other", steel(1, 6))
    middle = finish(second(tmp_path, other, "ttvvxx", f"model.start={first.path}"))
    seen = (middle.path / SEEN).read_text()
    assert (seen.count(",train"), seen.count(",val")) == (6, 2)
    third = spec_of(tmp_path, data, "vtttttttxx", "third")
    with pytest.raises(UserError, match="1 group of near-duplicates of the val part trained it"):
        planned(third, f"model.start={middle.path}")
    allowed = spec_of(tmp_path, data, "ttttttvvxx", "third")
    assert len(planned(allowed, f"model.start={middle.path}").seen) == 8 + 4


def test_images_that_picked_an_epoch_of_a_run_before_are_refused(tmp_path, data, first):
    other = write_images(tmp_path / "other", steel(1, 6))
    start = [f"model.start={first.path}", "model.start_at=best"]
    middle = finish(second(tmp_path, other, "ttvvxx", *start))
    third = spec_of(tmp_path, data, PARTS, "third")
    for at in ("last", "best"):
        with pytest.raises(UserError) as refused:
            planned(third, f"model.start={middle.path}", f"model.start_at={at}")
        assert "2 groups of near-duplicates of the val part picked its epoch" in str(refused.value)
    assert "take model.start_at=last" in str(refused.value)
    with pytest.raises(UserError, match="take other validation images, or a run that these did"):
        planned(third, f"model.start={middle.path}")


def test_validation_images_tune_a_trial_of_a_search(tmp_path, data, first):
    trial = tmp_path / "search" / "trials" / "0001" / first.path.name
    shutil.copytree(first.path, trial)
    with pytest.raises(UserError, match="take other validation images, or a run that these did"):
        second(tmp_path, data, PARTS, f"model.start={trial}")
    assert second(tmp_path, data, "ttttttttv-", f"model.start={trial}").start


def test_a_lost_or_damaged_table_of_images_is_refused(tmp_path, data, first):
    other = write_images(tmp_path / "other", steel(1, 6))
    middle = finish(second(tmp_path, other, "ttvvxx", f"model.start={first.path}"))
    third = spec_of(tmp_path, data, "vtttttttxx", "third")
    seen = middle.path / SEEN
    text = seen.read_text()
    for damaged in (text[:-5], text.replace("image_hash,part\n", ""), ""):
        seen.write_text(damaged)
        reseal(middle.path)
        with pytest.raises(UserError, match=r"start.csv: not a table of image_hash,part; restore"):
            planned(third, f"model.start={middle.path}")
    seen.unlink()
    reseal(middle.path)
    with pytest.raises(UserError, match=r"start.csv: missing, and start.json is there; restore it"):
        planned(third, f"model.start={middle.path}")


def test_an_image_without_its_content_is_refused(tmp_path, data, first):
    table = first.path / "images.csv"
    table.write_text("".join(table.read_text().splitlines(keepends=True)[:-1]))
    reseal(first.path)
    split = first.path / "split.csv"
    split.write_text(split.read_text().replace("9.png,test", "9.png,train"))
    reseal(first.path)
    with pytest.raises(UserError, match=r"9.png is in its split.csv and not in its images.csv"):
        second(tmp_path, data, PARTS, f"model.start={first.path}")


def test_other_data_are_compared_with_the_images_of_the_runs_before(tmp_path, data, first):
    other = write_images(tmp_path / "other", steel(1, 6))
    middle = finish(second(tmp_path, other, "ttvvxx", f"model.start={first.path}"))
    own, before = (
        prepare(load(spec, model=SpecModel), tmp_path).dataset
        for spec in (spec_of(tmp_path, other, "ttvvxx"), spec_of(tmp_path, data, PARTS))
    )
    assert count_relatives(before, own, middle) == Relatives(train=6, val=2, missing=0)
    assert count_relatives(own, own, middle) == Relatives(train=2, val=2, missing=8)
    assert count_relatives(before, before, first) == Relatives(train=6, val=2, missing=0)


def test_the_digest_is_of_the_weights_and_not_of_their_place(tmp_path, data, first):
    digests = [second(tmp_path, data, PARTS, f"model.start={first.path}").digest]
    moved = shutil.copytree(first.path, tmp_path / "moved")
    digests.append(second(tmp_path, data, PARTS, f"model.start={moved}").digest)
    digests.append(
        second(tmp_path, data, PARTS, f"model.start={moved}", "model.weights=imagenet").digest
    )
    assert len(set(digests)) == 1
    finish(planned(spec_of(tmp_path, data, PARTS)), weight=2.0)
    others = [
        second(tmp_path, data, PARTS, f"model.start={first.path}").digest,
        second(tmp_path, data, PARTS).digest,
        second(tmp_path, data, PARTS, f"model.start={moved}", "model.start_weights=encoder").digest,
    ]
    assert len({*digests, *others}) == 4


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["model.start=nowhere"], "model.start: nowhere: no run folder; give one"),
        (["model.start_at=best"], "model.start_at: 'best': without effect, model.start names no"),
        (["model.start_weights=encoder"], "without effect, model.start names no run"),
        (
            ["model.decoder_filters=[8, 8, 8, 8, 8]"],
            (
                "its network is another one; set model.decoder_filters=(4, 4, 4, 4, 4), or "
                "model.start_weights=encoder"
            ),
        ),
        (["model.backbone=mobilenetv2"], "another one; set model.backbone=mobilenet"),
        (["model.scaling=imagenet"], "its network is another one; set model.scaling=unit"),
        (
            ["model.scaling=imagenet", "model.start_weights=encoder"],
            "its network is another one; set model.scaling=unit",
        ),
        (
            ["model.start_at=continue", "model.start_weights=encoder"],
            "it takes all weights of the run; set model.start_weights=all",
        ),
    ],
)
def test_what_does_not_fit_is_refused(tmp_path, data, first, overrides, message):
    start = [] if "without effect" in message else [f"model.start={first.path}"]
    with pytest.raises(UserError) as refused:
        second(tmp_path, data, PARTS, *start, *overrides)
    assert message in str(refused.value)


def test_an_unfinished_run_and_lost_weights_are_refused(tmp_path, data, first):
    first.last_weights.unlink()
    with pytest.raises(UserError, match=r"last.h5: no such file; the run's weights were moved"):
        second(tmp_path, data, PARTS, f"model.start={first.path}")
    (first.path / "record.json").unlink()
    with pytest.raises(UserError, match="unfinished; go on with"):
        second(tmp_path, data, PARTS, f"model.start={first.path}")


class TestContinuation:
    @pytest.mark.parametrize(
        ("overrides", "message"),
        [
            (["training.batch_size=2"], "training.batch_size was 3 and is 2; take its spec.yaml"),
            (["seed=2"], "seed was 1 and is 2"),
            (["training.epochs=2"], "it has 2 epochs already; raise training.epochs above 2"),
            (["data.root=other"], "and its data is another"),
        ],
    )
    def test_of_another_run_is_refused(self, tmp_path, data, first, overrides, message):
        if "data" in overrides[0]:
            overrides = [f"data.root={write_images(tmp_path / 'other', steel(5))}"]
        own = ["training.epochs=3", f"model.start={first.path}", "model.start_at=continue"]
        with pytest.raises(UserError) as refused:
            second(tmp_path, data, PARTS, *own, *overrides)
        assert message in str(refused.value)

    def test_of_another_split_or_schedule_is_refused(self, tmp_path, data, first):
        own = ["training.epochs=3", f"model.start={first.path}", "model.start_at=continue"]
        with pytest.raises(UserError, match="its split is another"):
            second(tmp_path, data, "tttttttvxx", *own)
        cosine = ["schedule={name: cosine}", "training.epochs=2"]
        spec = spec_of(tmp_path, data, PARTS, "cosine")
        run = finish(planned(spec, *cosine))
        with pytest.raises(UserError, match=r"schedule.name=cosine depends on the number of"):
            planned(spec, *own, cosine[0], f"model.start={run.path}")

    def test_of_a_run_that_stopped_early_needs_more_patience(self, tmp_path, data):
        patience = "training.early_stopping_patience=1"
        run = finish(planned(spec_of(tmp_path, data, PARTS), "training.epochs=9", patience))
        own = ["training.epochs=12", f"model.start={run.path}", "model.start_at=continue"]
        with pytest.raises(UserError, match="it stopped early, 1 epochs after its best one; raise"):
            second(tmp_path, data, PARTS, *own, patience)
        for more in ("2", "null"):
            longer = f"training.early_stopping_patience={more}"
            assert second(tmp_path, data, PARTS, *own, longer).start.epoch == 2

    @pytest.mark.parametrize("taken", ["all", "encoder"])
    def test_of_a_run_that_itself_started_with_a_run(self, tmp_path, data, first, taken):
        start = [f"model.start={first.path}", f"model.start_weights={taken}"]
        run = finish(second(tmp_path, data, PARTS, *start))
        own = ["training.epochs=3", f"model.start={run.path}", "model.start_at=continue"]
        assert second(tmp_path, data, PARTS, *own).start.digest == run.digest

    def test_takes_over_the_epochs(self, tmp_path, data, first):
        own = ["training.epochs=3", f"model.start={first.path}", "model.start_at=continue"]
        plan = second(tmp_path, data, PARTS, *own, "training.early_stopping_patience=2")
        assert plan.start.epoch == 2
        assert plan.digest != first.digest


def test_a_run_that_has_begun_goes_on_without_the_run_that_it_started_with(tmp_path, data, first):
    plan = second(tmp_path, data, PARTS, f"model.start={first.path}")
    folder = finish(plan)
    shutil.move(first.path, tmp_path / "away")
    with pytest.raises(UserError, match="no run folder"):
        second(tmp_path, data, PARTS, f"model.start={first.path}")
    again = planned(
        spec_of(tmp_path, data, PARTS, "second"), f"model.start={first.path}", own=folder
    )
    assert (again.digest, again.seen) == (plan.digest, plan.seen)
    (folder.path / "start.json").write_text("{}")
    with pytest.raises(UserError, match=r"start.json"):
        planned(spec_of(tmp_path, data, PARTS, "second"), f"model.start={first.path}", own=folder)


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_more_epochs_of_a_finished_run_are_those_of_one_that_never_stopped(tmp_path, data):
    spec = spec_of(tmp_path, data, PARTS)

    def run(*overrides: str) -> tuple[RunFolder, Record]:
        plan = planned(spec, *overrides)
        return plan.folder, experiment.run(plan, command="steelexp run tiny.yaml")

    def scores(folder: RunFolder) -> list[dict[str, float]]:
        return [epoch.metrics for epoch in folder.epochs]

    direct, record_of_direct = run("training.epochs=3")
    short, _ = run("training.epochs=2")
    longer, record_of_longer = run(
        "training.epochs=3", f"model.start={short.path}", "model.start_at=continue"
    )
    assert scores(longer) == scores(direct)
    assert record_of_longer.weights == record_of_direct.weights
    assert record_of_longer.metrics == record_of_direct.metrics
    start = record_of_longer.provenance["start"]
    assert (start["digest"], start["epoch"]) == (short.digest, 2)
    assert "Goes on with" in (longer.path / "report.html").read_text()
    begun, _ = run("training.epochs=1", f"model.start={short.path}")
    assert scores(begun)[0]["loss"] < scores(direct)[0]["loss"]
