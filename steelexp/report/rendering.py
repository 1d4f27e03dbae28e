"""The templates of the page, filled in."""

import base64
import hashlib
import math
from collections import Counter
from datetime import UTC, datetime
from typing import Any

from steelexp import __version__, palette
from steelexp.command_line import again_line, command_line, public_line, shell_word
from steelexp.comparison.comparability import describe_data
from steelexp.metric_names import full_name
from steelexp.metrics import HEADLINES, LOSS, ON_IMAGES, PRIMARY
from steelexp.privacy import without_home
from steelexp.progress import duration
from steelexp.records.search_confirmation import lead_lines
from steelexp.records.search_file import best_line, describe_score
from steelexp.report.folds import epoch_line, rules_line
from steelexp.report.tables import phase_lines, postprocessing_lines
from steelexp.spec.space_words import describe_values
from steelexp.terminal import visible, visible_lines

EPOCH_COLUMNS = (
    LOSS,
    *(full_name(name, "val") for name in (LOSS, *HEADLINES)),
    "learning_rate",
)


def rendered(page: str = "page", **content: Any) -> str:
    """A page as text.

    Args:
        page: Name of its template and of its script, without the ending.
        content: Values of the names in the template.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined  # 0.1 s, at the end of a run
    from markupsafe import Markup

    environment = Environment(
        loader=PackageLoader("steelexp.report"),
        autoescape=True,
        finalize=_visible,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    environment.filters |= {
        "figure": _figure,
        "signed": _signed,
        "duration": duration,
        "describe": describe_values,
        "shell_word": lambda word: public_line(shell_word(word)),
        "visible": visible,
        "without_name": lambda values: {key: values[key] for key in values if key != "name"},
    }
    environment.globals |= {
        "columns": ON_IMAGES,
        "primary": PRIMARY,
        "full_name": full_name,
        "again_line": lambda *words: public_line(again_line(*words)),
        "describe_score": describe_score,
        "lead_lines": lead_lines,
        "best_line": lambda *words: public_line(best_line(*words)),
        "command_line": lambda *words: public_line(command_line(*words)),
        "describe_data": describe_data,
        "palette": palette,
        "post_columns": HEADLINES,
        "epoch_line": epoch_line,
        "rules_line": rules_line,
        "phase_lines": phase_lines,
        "postprocessing_lines": postprocessing_lines,
        "epoch_columns": EPOCH_COLUMNS,
        "isnan": math.isnan,
        "nan": math.nan,
        "status_counts": lambda runs: Counter(run.status for run in runs),
    }
    now = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    script = "\n" + environment.get_template(f"{page}.js").render() + "\n"
    template = environment.get_template(f"{page}.html")
    return template.render(
        version=__version__,
        written=now,
        script=Markup(script),  # a file of this package
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        **content,
    )


def _visible(value: object) -> object:
    """What a template prints: markup as it is, all else as text that shows no home folder.

    Control characters are spelled out.
    """
    return value if hasattr(value, "__html__") else visible_lines(without_home(str(value)))


def _figure(value: float | None, digits: int = 3) -> str:
    if value is None or not math.isfinite(value):
        return "\N{EN DASH}"
    return f"{value:.{digits}f}".replace("-", "\N{MINUS SIGN}")


def _signed(value: float, digits: int = 3) -> str:
    text = _figure(value, digits)
    return f"+{text}" if math.isfinite(value) and value >= 0 else text
