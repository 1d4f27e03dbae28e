"""Secrets in a spec, which is recorded in the run folder and sent to the tracker."""

from collections.abc import Iterator, Sequence

from steelexp.privacy import holds_secret, known_values, names_secret
from steelexp.spec.yaml_tree import Branch, Leaf, Problem

WAY_OUT = (
    "a spec is recorded and sent to the tracker, so remove the secret and set it as an environment "
    "variable, such as COMET_API_KEY"
)


def secret_problems(tree: Branch) -> Iterator[Problem]:
    """A problem for each value that is a secret by its key, its look or its content.

    The messages do not repeat the values.

    Args:
        tree: Tree of a spec.
    """
    yield from _problems(tree, "", known_values())


def _problems(tree: Branch, key: str, secrets: Sequence[str]) -> Iterator[Problem]:
    for name, node in tree.items.items():
        dotted = f"{key}.{name}" if key else name
        if isinstance(node, Branch):
            yield from _problems(node, dotted, secrets)
        elif _is_given(node) and names_secret(name):
            yield _problem(node, dotted, "named like a secret")
        elif holds_secret(str(node.value), secrets):
            yield _problem(node, dotted, "looks like a secret, or holds one")


def _is_given(node: Leaf) -> bool:
    return node.value not in (None, "", False)


def _problem(node: Leaf, key: str, what: str) -> Problem:
    return Problem(node.where, key, f"{what}; {WAY_OUT}")
