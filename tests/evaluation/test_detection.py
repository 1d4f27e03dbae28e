import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from steelexp.data.bits import word_of
from steelexp.evaluation.detection import DetectionCounts, count_components
from steelexp.inference.scoring import ScoredImage
from steelexp.records.postprocessing import ClassRules

HALF = ClassRules(threshold=0.5)


def region(*blocks, size=(120, 300)):
    mask = np.zeros(size, bool)
    for top, left, height, width in blocks:
        mask[top : top + height, left : left + width] = True
    return mask


def test_components_are_matched_by_overlap_and_counted_component_detection():
    # 400 pixels, a quarter of them predicted; 10,000 of which a fifth; 2,000 that are missed.
    truth = region((0, 0, 20, 20), (0, 100, 100, 100), (0, 220, 40, 50))
    # 200 pixels, half right; 2,000, right; 1,200 a false alarm.
    mask = region((0, 15, 20, 10), (0, 100, 20, 100), (80, 220, 30, 40))
    found = count_components(mask, truth)
    assert found.labelled.tolist() == [1, 1, 1]
    assert found.detected.tolist() == [1, 0, 0]
    assert found.predicted.tolist() == [1, 2, 0]
    assert found.correct.tolist() == [1, 1, 0]


def test_one_component_may_find_several():
    truth = region((0, 0, 10, 10), (0, 12, 10, 10))
    found = count_components(region((0, 0, 10, 22)), truth)
    assert (found.labelled.tolist(), found.detected.tolist()) == ([2, 0, 0], [2, 0, 0])
    assert (found.predicted.tolist(), found.correct.tolist()) == ([1, 0, 0], [1, 0, 0])


def scored(scores, bits):
    return ScoredImage(0, np.array(scores, np.float32), np.array(bits, np.uint8))


def test_pixels_are_counted_for_each_class_and_pair():
    found = DetectionCounts([HALF, HALF])
    a, b, both, none = [0.9, 0.1], [0.1, 0.9], [0.9, 0.8], [0.2, 0.3]
    found.add(scored([[a, b, both, none]], [[0b01, 0b01, 0b11, 0b10]]))
    found.add(scored([[none, a]], [[0b00, 0b00]]))
    assert found.counts.tp.tolist() == [[2, 1], [0, 0]]
    assert found.counts.fp.tolist() == [[0, 1], [1, 0]]
    assert found.counts.fn.tolist() == [[1, 1], [0, 0]]
    np.testing.assert_allclose(found.highest, [[0.9, 0.9], [0.9, 0.3]])
    # Rows truth, columns prediction: none, a, b.
    assert found.confusion.tolist() == [[1, 1, 0], [0, 2, 2], [1, 1, 1]]


def test_masks_are_those_of_the_rules():
    rules = [ClassRules(threshold=0.5, min_area=3), ClassRules(threshold=0.5, disabled=True)]
    found = DetectionCounts(rules)
    found.add(scored([[[0.9, 0.9]] * 2], [[0b11, 0b11]]))
    assert found.counts.fn.tolist() == [[2, 2]]
    assert found.components[0].predicted.sum() == 0
    assert found.components[0].labelled.tolist() == [1, 0, 0]


@pytest.mark.parametrize("classes", [3, 8, 12, 32])
@settings(max_examples=20)
@given(data=st.data())
def test_the_confusion_counts_each_pair_of_classes(classes, data):
    words = st.integers(0, (1 << classes) - 1)
    labelled, predicted = data.draw(arrays(word_of(classes), (2, 3, 4), elements=words))
    each = [(predicted >> c & 1).astype(np.float32) for c in range(classes)]
    found = DetectionCounts([HALF] * classes)
    for _ in range(2):
        found.add(ScoredImage(0, np.stack(each, axis=-1), labelled))
    rows, columns = (
        [bits == 0, *(bits >> c & 1 == 1 for c in range(classes))] for bits in (labelled, predicted)
    )
    assert found.confusion.tolist() == [[2 * (a & b).sum() for b in columns] for a in rows]
