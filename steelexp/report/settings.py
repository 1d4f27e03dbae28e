"""Which settings differ between specs."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from steelexp.report.runs import Run
from steelexp.spec import flat
from steelexp.terminal import visible


def differing(runs: Sequence[Run]) -> dict[str, dict[str, str]]:
    """Anchor of a run -> its settings, without those that are the same in all."""
    specs = {
        run.anchor: _value_words(flat(run.spec.model_dump(mode="json", exclude={"search"})))
        for run in runs
        if run.spec is not None
    }
    keys = dict.fromkeys(key for spec in specs.values() for key in spec)
    vary = [key for key in keys if len({spec.get(key) for spec in specs.values()}) > 1]
    return {
        anchor: {key: spec[key] for key in vary if key in spec} for anchor, spec in specs.items()
    }


def _value_words(settings: Mapping[str, Any]) -> dict[str, str]:
    """Each value as YAML would show it on one line."""
    return {
        visible(key): visible(value) if isinstance(value, str) else json.dumps(value)
        for key, value in settings.items()
    }
