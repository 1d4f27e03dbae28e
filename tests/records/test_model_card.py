from steelexp.records.decision import ClassDecision, Decision
from steelexp.records.model_card import ModelCard, card_of
from tests.finished_runs import record


def test_a_run_with_a_decision_gives_it_to_its_card():
    rules = {
        "1": ClassDecision(threshold=0.6, component=9, area=600, gate=0.7),
        "2": ClassDecision(threshold=0.5, never=True),
    }
    card = card_of(record(decision=Decision(metric="dice_kaggle", classes=rules)))
    assert (card.classes, card.tuned_for) == (rules, "dice_kaggle")
    assert (card.name, card.digest) == ("b4_dice", "3f9c1a7e")
    assert ModelCard.model_validate_json(card.model_dump_json()) == card


def test_a_run_without_one_has_its_threshold_for_every_class():
    card = card_of(record(threshold=0.4, decision=None))
    assert card.tuned_for is None
    assert card.classes == {label: ClassDecision(threshold=0.4) for label in ("1", "2")}
