"""Images without labels: what is left out, who may label them, and runs that train on them."""

import csv
import json
import shutil
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from steelexp import experiment, network, run_model
from steelexp.comparison.comparability import strategy_settings
from steelexp.data.cache import cache_key
from steelexp.data.cache_root import cache_root
from steelexp.errors import UserError
from steelexp.plan import Plan, SpecModel
from steelexp.pseudo_labels import FILE, hard_labels, pseudo_labels
from steelexp.records.record import Record
from steelexp.records.store import RunFolder
from steelexp.report.tables import source_lines
from steelexp.report.unlabelled_effect import effect_lines
from steelexp.spec import load
from steelexp.starting_images import SEEN
from steelexp.training import checkpoint
from steelexp.unlabelled import unlabelled_lines
from tests.test_starting_run import PARTS, finish, planned, spec_of, steel, write_images
from tests.test_training_methods import Killed, killed_after, small_network


def write_pool(folder: Path, images: list[np.ndarray]) -> Path:
    """Images without labels, one in a subfolder."""
    (folder / "shift2").mkdir(parents=True)
    for number, image in enumerate(images):
        place = folder / "shift2" if number == 0 else folder
        cv2.imwrite(str(place / f"u{number}.png"), image)
    return folder


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return write_images(tmp_path / "severstal", steel(0))


@pytest.fixture
def teacher(tmp_path: Path, data: Path) -> RunFolder:
    """A finished run of the same split."""
    return finish(planned(spec_of(tmp_path, data, PARTS, "teacher")))


def student(tmp_path: Path, data: Path, teacher: RunFolder, *overrides: str, **own: RunFolder):
    pool = tmp_path / "pool"
    if not pool.is_dir():
        write_pool(pool, steel(7, 4))
    section = f"data.unlabelled={{root: {pool}, teacher: {teacher.path}}}"
    parts = next((text.removeprefix("parts=") for text in overrides if "parts=" in text), PARTS)
    rest = [text for text in overrides if "parts=" not in text]
    return planned(spec_of(tmp_path, data, parts, "student"), section, *rest, **own)


class TestLabels:
    def test_are_ignored_where_a_class_is_unsure(self):
        scores = np.array([[[0.95, 0.01], [0.95, 0.5], [0.04, 0.02], [0.9, 0.0]]], np.float32)
        assert hard_labels(scores, 0.9).tolist() == [[0b01, 0b100, 0, 0b100]]

    def test_are_ignored_where_the_post_processing_says_otherwise(self):
        scores = np.array([[[0.95, 0.01], [0.95, 0.01], [0.04, 0.02]]], np.float32)
        predicted = np.array([[[True, False], [False, False], [True, False]]])
        assert hard_labels(scores, 0.9, predicted).tolist() == [[0b01, 0b100, 0b100]]

    def test_leave_nothing_to_ignore_at_one_half(self):
        scores = np.random.default_rng(0).random((4, 5, 3)).astype(np.float32)
        bits = hard_labels(scores, 0.5)
        assert bits.tolist() == ((scores > 0.5) @ np.array([1, 2, 4])).tolist()


class TestImages:
    def test_are_counted_and_named(self, tmp_path, data, teacher):
        plan = student(tmp_path, data, teacher)
        facts = plan.unlabelled.facts
        assert plan.unlabelled.dataset.names == ("shift2/u0.png", "u1.png", "u2.png", "u3.png")
        assert (facts.count, facts.evaluated, facts.labelled, facts.epoch) == (4, 0, 0, 2)
        assert unlabelled_lines(facts) == [
            (
                f"50% of the tiles are cut from 4 images without labels. {teacher.path} labels "
                "them after its epoch 2, its last one, where a score is above 0.9 or below 0.1. "
                "Other pixels are ignored. Sampling and class weights look at labelled images only."
            ),
            (
                "2 groups of near-duplicates of the val part validated the teacher as well; both "
                "trainings were watched on them."
            ),
        ]

    def test_of_evaluated_surfaces_and_with_labels_are_left_out(self, tmp_path, data, teacher):
        own = steel(0)
        copies = [own[6][3:, 3:], own[9][:, ::-1], own[2], own[3][3:, 3:]]
        write_pool(tmp_path / "pool", [*steel(7, 2), *copies])
        plan = student(tmp_path, data, teacher)
        facts = plan.unlabelled.facts
        # The crop of a training image is another image of its surface, and has no labels.
        assert plan.unlabelled.dataset.names == ("shift2/u0.png", "u1.png", "u5.png")
        assert (facts.evaluated, facts.labelled) == (2, 1)
        assert unlabelled_lines(facts)[1:3] == [
            (
                "Left out because they, or a near-duplicate, are in the val or test part: 2 images "
                "of the folder."
            ),
            "Left out because they are training images with labels: 1 images of the folder.",
        ]

    def test_are_left_out_by_a_copy_that_the_data_set_left_out(self, tmp_path, teacher):
        own = steel(0)
        data = write_images(tmp_path / "twice", [*own, own[9][:, ::-1]])
        write_pool(tmp_path / "pool", [*steel(7, 1), own[9][:, ::-1]])
        for once in ("false", "true"):
            # By name, 10.png comes before 9.png, and is the one that is kept.
            plan = student(tmp_path, data, teacher, "parts=ttttttvvx-x", f"data.deduplicate={once}")
            assert plan.unlabelled.facts.evaluated == 1

    def test_have_to_be_there(self, tmp_path, data, teacher):
        write_pool(tmp_path / "pool", [steel(0)[6], steel(0)[1]])
        with pytest.raises(UserError, match="none of the 2 images is left: 1 have a near-dup"):
            student(tmp_path, data, teacher)
        (tmp_path / "empty").mkdir()
        with pytest.raises(UserError, match=r"data.unlabelled.root: .*empty: no images"):
            student(tmp_path, data, teacher, f"data.unlabelled.root={tmp_path / 'empty'}")
        with pytest.raises(UserError, match=r"data.unlabelled.root: there is no folder nowhere"):
            student(tmp_path, data, teacher, "data.unlabelled.root=nowhere")

    def test_of_another_size_need_tiles_of_a_fixed_size(self, tmp_path, data, teacher):
        write_pool(tmp_path / "pool", [np.zeros((96, 128), np.uint8), *steel(7, 1)])
        with pytest.raises(UserError, match="an image of 96 x 128 gives a tile of 96 x 128, and"):
            student(tmp_path, data, teacher, "tiling={kind: whole}")


class TestTeacher:
    @pytest.mark.parametrize(
        ("overrides", "message"),
        [
            (["data.unlabelled.teacher=nowhere"], "data.unlabelled.teacher: nowhere: no run fold"),
            (
                ["data.unlabelled.teacher_at=best"],
                (
                    "2 groups of near-duplicates of the val part picked its epoch, so that scores "
                    "would be too high; take data.unlabelled.teacher_at=last, whose weights no "
                    "image picked"
                ),
            ),
            (["parts=tttttxvvxx"], "1 group of near-duplicates of the test part trained it,"),
            (["parts=ttttvtttxx"], "1 group of near-duplicates of the val part trained it,"),
            (["parts=ttttttvxxx"], "1 group of near-duplicates of the test part validated it,"),
            (["training.workers=2"], "one process labels the images of data.unlabelled; take"),
            (["data.unlabelled.share=1"], "data.unlabelled.share"),
            (["data.unlabelled.confidence=0.4"], "data.unlabelled.confidence"),
        ],
    )
    def test_is_refused(self, tmp_path, data, teacher, overrides, message):
        with pytest.raises(UserError) as refused:
            student(tmp_path, data, teacher, *overrides)
        assert message in str(refused.value)

    def test_of_other_classes_is_refused(self, tmp_path, data, teacher):
        record = teacher.finished_record()
        weights = {"1": 1.0, "2": 1.0, "3": 1.0, "rust": 1.0}
        teacher.finish(record.model_copy(update={"class_weights": weights}))
        with pytest.raises(UserError) as refused:
            student(tmp_path, data, teacher)
        assert str(refused.value) == (
            f"data.unlabelled.teacher: {teacher.path}: its classes are 1, 2, 3, rust, and those of "
            "this run are 1, 2, 3, 4; take a teacher of the same classes"
        )

    def test_weights_that_are_gone_are_refused(self, tmp_path, data, teacher):
        teacher.last_weights.unlink()
        with pytest.raises(UserError, match=r"last.h5: no such file; the run's weights were moved"):
            student(tmp_path, data, teacher)


def test_the_digest_is_of_the_teacher_the_images_and_the_settings(tmp_path, data, teacher):
    first = student(tmp_path, data, teacher).digest
    moved = RunFolder(shutil.copytree(teacher.path, tmp_path / "moved"))
    assert student(tmp_path, data, moved).digest == first
    elsewhere = shutil.copytree(tmp_path / "pool", tmp_path / "pool2")
    assert student(tmp_path, data, moved, f"data.unlabelled.root={elsewhere}").digest == first
    others = [
        planned(spec_of(tmp_path, data, PARTS, "student")).digest,
        student(tmp_path, data, teacher, "data.unlabelled.share=0.4").digest,
        student(tmp_path, data, teacher, "data.unlabelled.confidence=0.8").digest,
    ]
    (tmp_path / "pool" / "u2.png").unlink()
    others.append(student(tmp_path, data, teacher).digest)
    finish(planned(spec_of(tmp_path, data, PARTS, "teacher")), weight=2.0)
    others.append(student(tmp_path, data, teacher).digest)
    assert len({first, *others}) == 6


def test_seeds_of_one_strategy_may_have_their_own_teachers(tmp_path, data, teacher):
    def settings(*overrides: str):
        spec = load(spec_of(tmp_path, data, PARTS, "student"), overrides, model=SpecModel)
        return strategy_settings(spec)

    first = settings("data.unlabelled={root: a, teacher: runs/labels_10/1c0ffee1}")
    assert settings("data.unlabelled={root: b, teacher: runs/labels_10/2c0ffee2}") == first
    others = [
        settings(),
        settings("data.unlabelled={root: a, teacher: runs/labels_20/1c0ffee1}"),
        settings("data.unlabelled={root: a, teacher: runs/labels_10/1c0ffee1, share: 0.4}"),
    ]
    assert first not in others


def test_what_the_teacher_has_seen_counts_for_the_next_run(tmp_path, data, teacher):
    middle = finish(student(tmp_path, data, teacher))
    with (middle.path / SEEN).open() as file:
        seen = list(csv.reader(file))[1:]
    assert [part for _, part in seen].count("train") == 6 + 4
    pool = [cv2.imread(str(tmp_path / "pool" / f"u{i}.png"), 0) for i in (1, 2, 3)]
    other = write_images(tmp_path / "other", [*steel(9, 5), pool[0]])
    third = spec_of(tmp_path, other, "tttvxx", "third")
    with pytest.raises(UserError, match="1 group of near-duplicates of the test part trained it"):
        planned(third, f"model.start={middle.path}")


def test_more_epochs_of_a_finished_run_are_refused(tmp_path, data, teacher):
    run = finish(student(tmp_path, data, teacher))
    longer = ["training.epochs=3", f"model.start={run.path}", "model.start_at=continue"]
    with pytest.raises(UserError, match=r"takes no images without labels \(data.unlabelled\)"):
        student(tmp_path, data, teacher, *longer)


def test_a_run_that_has_begun_is_planned_without_teacher_and_images(tmp_path, data, teacher):
    plan = student(tmp_path, data, teacher)
    folder = finish(plan)
    shutil.move(teacher.path, tmp_path / "away")
    with pytest.raises(UserError, match="no run folder"):
        student(tmp_path, data, teacher)
    again = student(tmp_path, data, teacher, own=folder)
    assert (again.digest, again.seen) == (plan.digest, plan.seen)
    with pytest.raises(UserError, match="or the images are gone, and the run is not finished"):
        pseudo_labels(again, 1)


OVERRIDES = (
    "data.unlabelled.confidence=0.5",
    "sampling={kind: class_balanced}",
    "augment={flips: {}, copy_paste: {classes: ['1']}}",
    "training.epochs=3",
)


def train(plan: Plan) -> Record:
    return experiment.run(plan, command="steelexp run student.yaml")


def train_until_killed(plan: Plan, monkeypatch: pytest.MonkeyPatch, *, after: int) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(checkpoint, "save", killed_after(checkpoint.save, after))
        with pytest.raises(Killed):
            train(plan)


class TestRuns:
    """Real trainings, of a network of two convolutions in place of the U-Net."""

    @pytest.fixture(scope="class", autouse=True)
    def _small(self):
        def network_of(spec, classes, decoder="plain"):
            return small_network(_Classes(classes), None)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(network, "untrained_model", small_network)
            patch.setattr(run_model, "network_without_weights", network_of)
            yield

    @pytest.fixture(scope="class")
    def root(self, tmp_path_factory) -> Path:
        return tmp_path_factory.mktemp("unlabelled")

    @pytest.fixture(scope="class")
    def images(self, root) -> Path:
        return write_images(root / "severstal", steel(0))

    @pytest.fixture(scope="class")
    def trained(self, root, images) -> RunFolder:
        plan = planned(spec_of(root, images, PARTS, "teacher"))
        train(plan)
        return plan.folder

    @pytest.fixture(scope="class")
    def whole(self, root, images, trained) -> tuple[RunFolder, Record]:
        plan = student(root, images, trained, *OVERRIDES)
        record = train(plan)
        return RunFolder(plan.folder.path.rename(root / "whole")), record

    def test_go_on_after_a_kill_to_the_same_bits(
        self, root, images, trained, whole, monkeypatch, capsys
    ):
        capsys.readouterr()
        plan = student(root, images, trained, *OVERRIDES)
        train_until_killed(plan, monkeypatch, after=2)
        assert "labels 4 images" not in capsys.readouterr().out
        shutil.rmtree(cache_root())  # labelled again, before the training goes on
        again = train(student(root, images, trained, *OVERRIDES))
        assert capsys.readouterr().out.count("labels 4 images, once for all runs") == 1
        folder, record = whole
        assert (again.metrics, again.weights) == (record.metrics, record.weights)
        assert [e.metrics for e in plan.folder.epochs] == [e.metrics for e in folder.epochs]

    def test_label_in_the_order_of_the_new_classes(self, root, images, trained):
        plan = student(root, images, trained, *OVERRIDES)
        labels = pseudo_labels(plan, 2).labels
        pool = plan.unlabelled.dataset
        turned = replace(plan.dataset, classes=pool.classes[::-1])
        other = plan.unlabelled._replace(dataset=replace(pool, classes=pool.classes[::-1]))
        (bits, again) = (
            each.mask(0)
            for each in (
                labels,
                pseudo_labels(replace(plan, dataset=turned, unlabelled=other), 2).labels,
            )
        )
        planes = [bits >> c & 1 for c in range(4)]
        assert len({int(plane.sum()) for plane in planes}) > 1
        assert [(again >> c & 1).tolist() for c in range(4)] == [
            plane.tolist() for plane in planes[::-1]
        ]

    def test_take_the_post_processing_of_the_best_epoch(self, root, images, trained):
        best = "data.unlabelled.teacher_at=best"
        plan = student(root, images, trained, "parts=tttttt--vx", *OVERRIDES, best)
        labels = pseudo_labels(plan, 2).labels
        predictor = run_model.load_predictor(trained)
        for row in range(len(labels)):
            scores = predictor.scores(labels.image(row))
            expected = hard_labels(scores.pixels, 0.5, predictor.postprocess(scores))
            assert labels.mask(row).tolist() == expected.tolist()

    def test_are_on_the_data_of_the_same_spec_without_images(self, root, images, whole):
        _, record = whole
        without = train(planned(spec_of(root, images, PARTS, "student"), *OVERRIDES[1:]))
        assert without.weights != record.weights
        assert without.data == record.data
        assert without.class_weights == record.class_weights
        runs = root / "runs" / "student"
        shutil.copytree(whole[0].path, runs / record.digest, dirs_exist_ok=True)
        (line,) = effect_lines(RunFolder(runs / record.digest), record)
        change = record.metrics["test_dice_positive"] - without.metrics["test_dice_positive"]
        assert f"of student, the same spec without data.unlabelled: {change:+.4f} [" in line
        assert line.endswith("]. One seed on either side decides nothing; train at least three.")
        assert effect_lines(RunFolder(runs / without.digest), without) == []
        shutil.rmtree(runs / without.digest)
        (line,) = effect_lines(RunFolder(runs / record.digest), record)
        assert line.endswith("spec.yaml data.unlabelled=null")

    def test_name_teacher_and_images_in_record_and_page(self, whole, trained):
        folder, record = whole
        unlabelled = record.provenance["unlabelled"]
        assert (unlabelled["digest"], unlabelled["count"]) == (trained.digest, 4)
        lines = source_lines(record.provenance)
        assert lines[0].startswith("50% of the tiles are cut from 4 images without labels.")
        assert lines[1].startswith(
            "0.0% of the pixels of the pseudo-labels are ignored; images of class 1: "
        )
        assert "4 images without labels" in (folder.path / "report.html").read_text()

    def test_refuse_other_labels_than_they_began_with(self, root, images, trained, monkeypatch):
        plan = student(root, images, trained, *OVERRIDES, "seed=2")
        train_until_killed(plan, monkeypatch, after=1)
        file = plan.folder.path / FILE
        content = json.loads(file.read_text())
        file.write_text(json.dumps({**content, "labels": "0" * 32}))
        with pytest.raises(UserError, match="are not those that this run began with"):
            train(plan)
        file.write_text("{")
        with pytest.raises(UserError, match=r"pseudo_labels.json: damaged \("):
            train(plan)

    def test_label_again_what_is_damaged_but_not_during_a_training(
        self, root, images, trained, capsys
    ):
        pool = write_pool(root / "more", steel(8, 20))
        plan = student(root, images, trained, f"data.unlabelled.root={pool}")
        labels = pseudo_labels(plan, 2).labels
        bits = cache_root() / cache_key(labels) / "bits.u8"
        before = bits.read_bytes()
        for image in (0, 4):  # of the sample that is checked when the cache is opened, or not
            content = bytearray(before)
            content[image * 64 * 128] ^= 7
            bits.write_bytes(content)
            if image:
                with pytest.raises(UserError, match=r"u\d+.png is damaged; remove this folder and"):
                    labels.mask(image)
            else:
                capsys.readouterr()
                pseudo_labels(plan, 2)
                assert "damage in shift2/u0.png of 20 images; decoding" in capsys.readouterr().out
                assert bits.read_bytes() == before


class _Classes:
    """A plan's number of classes."""

    def __init__(self, classes: int) -> None:
        self.class_count = classes
