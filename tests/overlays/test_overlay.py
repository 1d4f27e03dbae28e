import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from steelexp.overlays.overlay import caption, choose, draw
from steelexp.overlays.painting import CLASS_RGB

SKY, ORANGE, VERMILLION, BLUE = CLASS_RGB[:4]
BLACK, WHITE, GREY = (0, 0, 0), (255, 255, 255), (100, 100, 100)
CLASSES = ("1", "2", "3", "4")

# Labelled pixels of ten images and three classes; images 5, 7 and 8 are clean.
PIXELS = np.array(
    [
        [5, 0, 0],
        [1, 0, 0],
        [9, 0, 0],
        [0, 4, 0],
        [3, 8, 0],
        [0, 0, 0],
        [0, 0, 7],
        [0, 0, 0],
        [0, 0, 0],
        [7, 0, 2],
    ]
)

# After the first epoch; of the classes that an image does not hold it says nothing.
DICE = np.array(
    [
        [0.5, 1, 1],
        [0.2, 1, 1],
        [0.9, 0, 0],
        [1, 0.1, 1],
        [0.6, 0.8, 0],
        [0, 0, 0],
        [1, 1, 0.3],
        [1, 1, 1],
        [1, 1, 1],
        [0.3, 1, 0.5],
    ]
)


def plane(*boxes, height=40, width=720):
    """Bits on an empty plane: each box is (bit, top, bottom, left, right), ends not included."""
    bits = np.zeros((height, width), np.uint8)
    for bit, top, bottom, left, right in boxes:
        bits[top:bottom, left:right] |= 1 << bit
    return bits


def pixels_of(truth, prediction, grey=100):
    """RGB pixels of the picture, above its legend."""
    image = np.full(truth.shape, grey, np.uint8)
    picture = draw(image, truth, prediction, classes=CLASSES)
    return picture.rgb()[: truth.shape[0]]


def colours(pixels):
    return [tuple(int(part) for part in pixel) for pixel in pixels]


# --- which images


def test_choose_takes_extremes_then_medians_of_the_rarest_then_a_clean_image_then_spreads():
    # Mean Dice over the held classes, ascending: images 3, 1, 6, 9, 0, 4, 2. Worst 3, best 2,
    # median 9. Of class 1, as rare as class 2 (2 images each), image 4 is left; of class 2 image 6;
    # of class 0 images 1 and 0 (areas 1 and 5). Clean: 5. Of 0, 7 and 8 the one in the middle.
    assert choose(PIXELS, np.arange(10), DICE, count=8) == (3, 2, 9, 4, 6, 1, 5, 7)


def test_choose_counts_a_class_among_the_candidates_only():
    # Of the three the worst is 6, the best 2, and the median 9.
    few = np.array([9, 6, 2])
    assert choose(PIXELS, few, DICE[few]) == (6, 2, 9)


def test_choose_stops_at_count():
    assert choose(PIXELS, np.arange(10), DICE) == (3, 2, 9, 4, 6, 1)
    assert choose(PIXELS, np.arange(10), DICE, count=2) == (3, 2)


def test_choose_takes_the_first_of_equals():
    assert choose(PIXELS, np.arange(10), np.zeros((10, 3)), count=3) == (0, 3, 4)


def test_choose_among_clean_images():
    clean = np.array([8, 5, 7])
    assert choose(PIXELS, clean, DICE[clean]) == (5, 7, 8)


def test_choose_from_nothing_is_nothing():
    assert choose(PIXELS, np.array([], np.int64), np.zeros((0, 3))) == ()


@given(
    st.lists(st.tuples(*[st.integers(0, 3)] * 3), min_size=1, max_size=20),
    st.integers(1, 9),
    st.randoms(use_true_random=False),
)
def test_choose_fills_count_without_repeats_whatever_the_order_of_candidates(rows, count, random):
    pixels = np.array(rows)
    candidates = list(range(len(rows)))
    dice = np.array([[0.1 * (sum(row) % 4)] * 3 for row in rows])
    choice = choose(pixels, np.array(candidates), dice, count=count)
    random.shuffle(candidates)
    assert choose(pixels, np.array(candidates), dice[candidates], count=count) == choice
    assert len(set(choice)) == len(choice) == min(count, len(rows))
    assert set(choice) <= set(candidates)


@pytest.mark.parametrize(
    ("candidates", "count", "message"),
    [
        ([0], 0, "count is 0"),
        ([3, 10], 6, "candidate 10 is not one of the 10 images"),
        ([-1], 6, "candidate -1 is not one"),
    ],
)
def test_choose_refuses(candidates, count, message):
    with pytest.raises(ValueError, match=message):
        choose(PIXELS, np.array(candidates), np.zeros((len(candidates), 3)), count=count)


# --- how one is drawn


def test_outline_runs_around_the_truth_between_hair_lines_and_covers_nothing_of_it():
    row = pixels_of(plane((0, 15, 25, 100, 120)), plane())[20]
    assert colours(row[95:101]) == [GREY, BLACK, SKY, SKY, BLACK, GREY]
    assert colours(row[119:125]) == [GREY, BLACK, SKY, SKY, BLACK, GREY]
    assert (row[100:120] == 100).all()


def test_dark_colours_have_white_hair_lines():
    row = pixels_of(plane((3, 15, 25, 100, 120)), plane())[20]
    assert colours(row[95:101]) == [GREY, WHITE, BLUE, BLUE, WHITE, GREY]


def test_outline_is_closed_where_the_defect_runs_off_the_image():
    pixels = pixels_of(plane((0, 0, 25, 100, 120)), plane())
    assert colours(pixels[:4, 110]) == [SKY, SKY, BLACK, GREY]
    assert colours(pixels[25:30, 110]) == [BLACK, SKY, SKY, BLACK, GREY]
    assert colours(pixels[:2, 60]) == [GREY, GREY]


def test_wide_images_have_an_outline_of_three_pixels():
    row = pixels_of(plane((0, 15, 25, 100, 120), width=1600), plane(width=1600))[20]
    assert colours(row[94:101]) == [GREY, BLACK, SKY, SKY, SKY, BLACK, GREY]


def test_fill_is_blended_into_the_steel_and_leaves_the_rest_alone():
    # 0.55 * 100 + 0.45 * (86, 180, 233) = (93.7, 136, 159.85)
    pixels = pixels_of(plane(), plane((0, 10, 20, 50, 60)))
    assert (pixels[10:20, 50:60] == (94, 136, 160)).all()
    assert np.count_nonzero(pixels != 100) == 3 * 10 * 10


def test_fill_of_two_classes_at_once_is_that_of_their_mean_colour():
    # The mean of sky blue and orange is (158, 169.5, 116.5).
    pixels = pixels_of(plane(), plane((0, 10, 20, 50, 60), (1, 10, 20, 50, 60)))
    assert (pixels[10:20, 50:60] == (126, 131, 107)).all()


def test_fill_keeps_the_texture_of_the_steel():
    dark, bright = (pixels_of(plane(), plane((2, 0, 40, 0, 720)), grey) for grey in (40, 240))
    assert (bright.astype(int) - dark == 110).all()  # 0.55 * (240 - 40)


def test_outline_lies_over_the_fill():
    row = pixels_of(plane((0, 15, 25, 100, 120)), plane((2, 0, 40, 0, 720)))[20]
    fill = (151, 97, 55)  # 0.55 * 100 + 0.45 * (213, 94, 0)
    assert colours(row[95:101]) == [fill, BLACK, SKY, SKY, BLACK, fill]


# --- the picture as a whole


def test_without_a_truth_the_prediction_is_outlined_and_no_key_is_needed():
    prediction = plane((0, 10, 20, 50, 60))
    image = np.full(prediction.shape, 100, np.uint8)
    alone, both = (
        draw(image, truth, prediction, classes=("1",)).rgb() for truth in (None, prediction)
    )
    assert (alone[:40] == both[:40]).all()
    assert alone.shape == both.shape
    assert (alone != both).any()  # "outline: truth"


def test_a_image_keeps_its_size_and_small_images_are_enlarged_pixel_for_pixel():
    empty = np.zeros((256, 1600), np.uint8)
    height, width, _ = draw(empty, empty, empty, classes=CLASSES).rgb().shape
    assert width == 1600
    assert 256 + 24 < height < 256 + 100  # the band is there, and is a band

    small = np.arange(40_000, dtype=np.uint32).reshape(200, 200).astype(np.uint8)
    picture = draw(small, small * 0, small * 0, classes=("inclusion", "patches")).rgb()
    assert picture.shape[1] == 800
    assert (picture[:800] == np.kron(small, np.ones((4, 4), np.uint8))[:, :, None]).all()


def test_a_tall_image_is_not_enlarged_and_stands_at_the_left():
    image = np.full((600, 50), 90, np.uint8)
    picture = draw(image, image * 0, image * 0, classes=CLASSES).rgb()
    assert picture.shape[1] == 720
    assert (picture[:600, :50] == 90).all()
    assert (picture[:600, 50:] == 255).all()


def test_size_does_not_depend_on_title_or_content():
    image = np.full((256, 1600), 90, np.uint8)
    full = np.full((256, 1600), 15, np.uint8)
    sizes = {
        draw(image, truth, prediction, classes=CLASSES, title=title).numbers.shape
        for truth in (image * 0, full)
        for prediction in (image * 0, full)
        for title in ("", "a.jpg", "a.jpg " * 200)
    }
    assert len(sizes) == 1


def test_legend_shows_what_is_true_what_is_predicted_and_what_is_neither():
    image = np.full((256, 1600), 100, np.uint8)
    truth = plane((0, 10, 20, 50, 60), height=256, width=1600)
    prediction = plane((1, 10, 20, 50, 60), height=256, width=1600)
    picture = draw(image, truth, prediction, classes=CLASSES).rgb()
    picture_colours = set(colours(picture[256:].reshape(-1, 3)))
    filled_orange = (186, 154, 82)  # 0.55 * 150 + 0.45 * (230, 159, 0)
    assert {SKY, filled_orange} <= picture_colours
    assert not {ORANGE, VERMILLION, BLUE, (121, 164, 187)} & picture_colours


def test_ignored_pixels_are_hatched_and_named_in_the_legend():
    truth = plane((4, 0, 40, 100, 300), (0, 10, 20, 50, 60))
    pixels = pixels_of(truth, plane())
    inside = pixels[:, 100:300].reshape(-1, 3)
    assert set(colours(inside)) == {WHITE, BLACK, GREY}
    share = (inside == WHITE).all(axis=1).mean()
    assert share == pytest.approx((inside == BLACK).all(axis=1).mean(), abs=0.02)
    assert set(colours(pixels[:, 310:].reshape(-1, 3))) == {GREY}
    image = np.full((40, 720), 100, np.uint8)
    with_ignored, without = (
        draw(image, each, plane(), classes=CLASSES).rgb() for each in (truth, truth & 0b1111)
    )
    assert len(with_ignored) >= len(without)
    assert with_ignored[40:].tolist() != without[40:].tolist()


@pytest.mark.parametrize(
    ("truth", "prediction", "classes", "message"),
    [
        (plane(width=721), plane(), CLASSES, r"truth \(40, 721\).*same shape"),
        (plane(), plane()[None], CLASSES, r"prediction \(1, 40, 720\).*same shape"),
        (plane(), plane(), tuple(map(str, range(33))), "33 classes, and there are 32 colours"),
        (plane(), plane(), (), "0 classes"),
        (plane((3, 0, 9, 0, 9)), plane(), ("a", "b"), "truth has bit 3 set.*2 classes"),
        (plane(), plane((7, 0, 9, 0, 9)), CLASSES, "prediction has bit 7 set.*4 classes"),
    ],
)
def test_generate_refuses(truth, prediction, classes, message):
    with pytest.raises(ValueError, match=message):
        draw(plane(), truth, prediction, classes=classes)


# --- its caption


def test_caption_gives_the_dice_of_classes_true_or_predicted():
    truth = plane((0, 0, 10, 0, 10), (2, 20, 30, 0, 10))
    prediction = plane((0, 0, 10, 5, 15), (3, 20, 30, 0, 10))
    # Class 1: 2 * 50 / (100 + 100). Class 3 is missed, class 4 a false alarm.
    assert (
        caption("a.jpg", truth, prediction, classes=CLASSES, epoch=7)
        == "a.jpg  epoch 7  Dice 1: 0.50, 3: 0.00, 4: 0.00"
    )


def test_caption_of_a_clean_image_left_empty():
    assert caption("a.jpg", plane(), plane(), classes=CLASSES) == "a.jpg  no defect, none predicted"
