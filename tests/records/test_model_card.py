from steelexp.records.model_card import ModelCard, card_of
from steelexp.records.postprocessing import ClassRules, Postprocessing
from tests.finished_runs import record


def test_a_run_with_a_postprocessing_gives_it_to_its_card():
    rules = {
        "1": ClassRules(threshold=0.6, min_component=9, min_area=600, min_peak_score=0.7),
        "2": ClassRules(threshold=0.5, disabled=True),
    }
    card = card_of(record(postprocessing=Postprocessing(metric="dice_kaggle", classes=rules)))
    assert (card.classes, card.postprocessing_metric) == (rules, "dice_kaggle")
    assert (card.name, card.digest) == ("b4_dice", "3f9c1a7e")
    assert ModelCard.model_validate_json(card.model_dump_json()) == card


def test_a_run_without_one_has_its_threshold_for_every_class():
    card = card_of(record(threshold=0.4, postprocessing=None))
    assert card.postprocessing_metric is None
    assert card.classes == {label: ClassRules(threshold=0.4) for label in ("1", "2")}
