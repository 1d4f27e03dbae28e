"""YAML up to a number of values, levels and characters (limits.py).

Aliases make a text of one kilobyte a billion values ("billion laughs"), and a text of one megabyte
of short values takes PyYAML a minute. Here the values are counted while they are read, with those
that an alias repeats.
"""

import functools
from typing import Any

import yaml

from steelexp.limits import YAML_DEPTH, YAML_TEXT, YAML_VALUES


def compose(text: str) -> yaml.Node | None:
    """The nodes of a YAML text; None if it is empty.

    Raises:
        yaml.YAMLError: It is not YAML, or beyond a limit.
    """
    return _Composer(text).get_single_node()


def load(text: str, *, dumped: bool = False) -> Any:
    """The value of a YAML text.

    Args:
        text: YAML text.
        dumped: Whether PyYAML wrote it. It is then read by libyaml, which takes an eighth of the
            time and differs in texts that PyYAML would not write.

    Raises:
        yaml.YAMLError: It is not YAML, beyond a limit, or has a value that Python cannot hold.
    """
    node = _compose_dumped(text) if dumped else compose(text)
    try:
        return None if node is None else yaml.SafeLoader("").construct_document(node)
    except (ValueError, OverflowError, TypeError, AttributeError, KeyError) as error:
        # Numbers of 5,000 digits, the 99th of May, !!int "a".
        raise yaml.YAMLError(f"a value cannot be read: {error}") from None


def _compose_dumped(text: str) -> yaml.Node | None:
    """The nodes of a YAML text by libyaml, where PyYAML has it; errors are PyYAML's own."""
    if not yaml.__with_libyaml__:
        return compose(text)
    try:
        node: yaml.Node | None = _composer_of_libyaml()(text).get_single_node()
    except yaml.YAMLError:
        return compose(text)
    return node


@functools.cache
def _composer_of_libyaml() -> Any:
    from yaml.composer import Composer
    from yaml.cyaml import CParser  # type: ignore[attr-defined]
    from yaml.resolver import Resolver

    class LibyamlComposer(_Counting, Composer, CParser, Resolver):
        """Events of libyaml, composed and counted as those of PyYAML."""

        def __init__(self, text: str) -> None:
            CParser.__init__(self, text)
            Composer.__init__(self)
            Resolver.__init__(self)
            _Counting.__init__(self)

    return LibyamlComposer


class LimitError(yaml.MarkedYAMLError):
    """A YAML text beyond a limit."""


class _Counting:
    """A composer that counts."""

    def __init__(self) -> None:
        self.values = 0
        self.depth = 0
        self.sizes: dict[int, int] = {}  # number of values in each node

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        """Compose one node and its content."""
        event = self.peek_event()  # type: ignore[attr-defined]
        before = self.values
        self.depth += 1
        self.values += 1
        self._check(event.start_mark)
        node: yaml.Node | None = super().compose_node(parent, index)  # type: ignore[misc]
        if isinstance(event, yaml.AliasEvent):
            if id(node) not in self.sizes:
                raise _error(
                    "an alias that contains itself; write its content out", event.start_mark
                )
            self.values += self.sizes[id(node)]
            self._check(event.start_mark)
        else:
            self.sizes[id(node)] = self.values - before
        self.depth -= 1
        if isinstance(node, yaml.ScalarNode) and len(node.value) > YAML_TEXT:
            reason = f"a text of {len(node.value):,} characters, and at most {YAML_TEXT:,} are read"
            raise _error(f"{reason}; shorten it", event.start_mark)
        return node

    def _check(self, mark: Any) -> None:
        if self.values > YAML_VALUES:
            reason = f"more than {YAML_VALUES:,} values, those that aliases repeat included"
            raise _error(f"{reason}; state fewer", mark)
        if self.depth > YAML_DEPTH:
            raise _error(f"nested more than {YAML_DEPTH} levels deep; use fewer levels", mark)


class _Composer(_Counting, yaml.SafeLoader):
    """PyYAML's composer, which counts."""

    def __init__(self, text: str) -> None:
        yaml.SafeLoader.__init__(self, text)
        _Counting.__init__(self)


def _error(reason: str, mark: Any) -> LimitError:
    return LimitError(problem=reason, problem_mark=mark)
