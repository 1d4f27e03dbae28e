"""One tree of settings over another: a file over its ancestor, a trial's values over a spec."""

from collections.abc import Iterable

from steelexp.spec.schema import SECTIONS
from steelexp.spec.yaml_tree import Branch, Leaf

_DIMENSIONS = ("search", "space")


def merge(old: Branch, new: Branch) -> Branch:
    """`new` over `old`.

    A section that names another component starts anew, and so does a setting of a search's space:
    what was said of the one before says nothing about it.
    """
    return Branch(_merge(old, new, ()).items, new.where)


def gather(branches: Iterable[Branch], where: str) -> Branch:
    """Several as one, the later over the earlier; what it is merged into decides what it drops."""
    given = Branch({}, where)
    for branch in branches:
        given = _merge(given, branch, ("",))
    return given


def _merge(old: Branch, new: Branch, path: tuple[str, ...]) -> Branch:
    if path[:-1] == _DIMENSIONS or _names_another(old, new, path):
        return new
    items = dict(old.items)
    for key, node in new.items.items():
        known = items.get(key)
        if isinstance(known, Branch) and isinstance(node, Branch):
            node = _merge(known, node, (*path, key))
        items[key] = node
    return Branch(items, old.where)


def _names_another(old: Branch, new: Branch, path: tuple[str, ...]) -> bool:
    section = SECTIONS.get(".".join(path))
    if section is None:
        return False
    named, before = new.items.get(section.selector), old.items.get(section.selector)
    return isinstance(named, Leaf) and isinstance(before, Leaf) and named.value != before.value
