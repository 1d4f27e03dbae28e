"""YAML with the line of every value, and without ambiguous words.

PyYAML reads `1e-3` as text, `no` as false, `010` as 8, and keeps the last of two equal keys without
a word. Here each of them is a problem, reported with its line.
"""

import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from steelexp import bounded_yaml
from steelexp.limits import KEY_TEXT, NUMBER_TEXT, SPEC_BYTES
from steelexp.privacy import HOME, names_secret, with_home
from steelexp.regular_file import read_regular_text


@dataclass(frozen=True)
class Problem:
    """One thing wrong with a spec.

    Attributes:
        where: File and line, or argument of the command line.
        key: Dotted key.
        message: Value, allowed values, way out.
    """

    where: str
    key: str
    message: str

    def __str__(self) -> str:
        return ": ".join(part for part in (self.where, self.key, self.message) if part)


@dataclass(frozen=True)
class Leaf:
    """A value that is not a mapping, with its file and line."""

    value: Any
    where: str


@dataclass(frozen=True)
class Branch:
    """A mapping, with its file and line."""

    items: "dict[str, Leaf | Branch]"
    where: str

    def plain(self) -> dict[str, Any]:
        """The values without their lines."""
        return {
            key: node.plain() if isinstance(node, Branch) else node.value
            for key, node in self.items.items()
        }


Tree = Leaf | Branch


def grown(value: Any, where: str) -> Tree:
    """A plain value as a tree."""
    if isinstance(value, dict):
        return Branch({key: grown(item, where) for key, item in value.items()}, where)
    return Leaf(value, where)


def grafted(path: Sequence[str], node: Tree) -> Branch:
    """Put a tree below the keys of a path, the first outermost."""
    for key in reversed(path):
        node = Branch({key: node}, node.where)
    assert isinstance(node, Branch)
    return node


def read(text: str, locate: Callable[[int], str], problems: list[Problem]) -> Tree | None:
    """Parse YAML.

    Args:
        text: YAML text.
        locate: Function line number, from 1 -> file and line.
        problems: List of problems, appended to.

    Returns:
        The tree; None if the text is empty or cannot be parsed.
    """
    try:
        node = bounded_yaml.compose(text)
        return None if node is None else _Reader(locate, problems).tree(node, "")
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        reason = ", ".join(part for part in (error.context, error.problem) if part)
        if isinstance(error, bounded_yaml.LimitError):
            problems.append(Problem(locate(line), "", reason))
            return None
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        reason = error.reason
    problems.append(Problem(locate(line), "", f"not YAML: {reason}"))
    return None


def read_file(path: Path, problems: list[Problem]) -> Branch | None:
    """Parse a spec file; problems are appended to `problems`."""
    try:
        text = read_regular_text(path, SPEC_BYTES)
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        problems.append(Problem(str(path), "", f"cannot be read: {reason}"))
        return None
    before = len(problems)
    tree = read(text, lambda line: f"{path}:{line}", problems)
    if not isinstance(tree, Branch):
        if len(problems) == before:
            problems.append(
                Problem(f"{path}:1", "", "not a spec: a mapping of settings is expected")
            )
        return None
    return tree


class _Reader:
    def __init__(self, locate: Callable[[int], str], problems: list[Problem]) -> None:
        self.locate = locate
        self.problems = problems

    def tree(self, node: yaml.Node, key: str) -> Tree:
        where = self.locate(node.start_mark.line + 1)
        if node.tag != _implicit_tag(node):
            self.problems.append(Problem(where, key, f"{node.tag}: tags are not taken; remove it"))
        if isinstance(node, yaml.ScalarNode):
            return Leaf(self.scalar(node, key, where), where)
        if isinstance(node, yaml.MappingNode):
            return Branch(self.items(node, key), where)
        values = [self.tree(item, f"{key}[{i}]") for i, item in enumerate(node.value)]
        return Leaf([v.plain() if isinstance(v, Branch) else v.value for v in values], where)

    def items(self, node: yaml.MappingNode, key: str) -> dict[str, Tree]:
        items: dict[str, Tree] = {}
        for name_node, value_node in node.value:
            if not isinstance(name_node, yaml.ScalarNode):
                where = self.locate(name_node.start_mark.line + 1)
                self.problems.append(Problem(where, key, "a key is one word"))
                continue
            name = name_node.value
            if (problem := _text_problem(name)) or len(name) > KEY_TEXT:
                where = self.locate(name_node.start_mark.line + 1)
                problem = problem or f"a key of more than {KEY_TEXT} characters"
                self.problems.append(Problem(where, key, f"{name[:40]!a}: {problem}"))
                continue
            dotted = f"{key}.{name}" if key else name
            if name in items:
                where = self.locate(name_node.start_mark.line + 1)
                first = items[name].where
                self.problems.append(
                    Problem(where, dotted, f"given twice, first at {first}; keep one")
                )
            items[name] = self.tree(value_node, dotted)
        return items

    def scalar(self, node: yaml.ScalarNode, key: str, where: str) -> Any:
        def note(message: str) -> None:
            self.problems.append(Problem(where, key, message))

        text = expand(node.value, note)
        if problem := _text_problem(text):
            note(f"{text[:40]!a}: {problem}")
            return ""
        if node.style is not None:  # quoted: text as it stands
            return text
        surprise = surprise_of(text)
        if surprise is not None:
            note(surprise)
            return text
        plain = yaml.ScalarNode(_resolve(text), text)
        return yaml.constructor.SafeConstructor().construct_object(plain)


def expand(text: str, note: Callable[[str], None]) -> str:
    """Replace ${NAME} and ${NAME:-default} by the environment's values.

    Args:
        text: Text with variables.
        note: Function that takes the problem of a variable that is unset and has no default.
    """

    def value(match: re.Match[str]) -> str:
        name = match["name"]
        default = match["default"]
        if names_secret(name):
            note(f"${{{name}}}: named like a secret, and a spec is recorded; leave it out")
            return match[0]
        if setting := os.environ.get(name, "") or (with_home(HOME) if name == "HOME" else ""):
            return setting
        if default is None:
            note(f"${{{name}}}: the variable {name} is not set; set it or write ${{{name}:-...}}")
            return match[0]
        return default

    end = text.rfind("}") + 1  # without it, each "${" would be searched to the end of the text
    return re.sub(r"\$\{(?P<name>\w+)(?::-(?P<default>[^}]*))?\}", value, text[:end]) + text[end:]


def _text_problem(text: str) -> str | None:
    """The reason why no setting and no file can have this text; None if one can."""
    if "\0" in text:
        return "a NUL is in the text; remove it"
    if any("\ud800" <= character <= "\udfff" for character in text):
        return "half of a character (a lone surrogate) is in the text; remove it"
    return None


_RESOLVER: Any = yaml.SafeLoader("")  # 0.3 ms to make
_EXPONENT = re.compile(r"[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)[eE][-+]?[0-9]+")


def surprise_of(text: str) -> str | None:
    """The reason why YAML would read a plain word as something else; None if it would not."""
    kind = _resolve(text).rpartition(":")[2]
    is_exponent = kind == "str" and _EXPONENT.fullmatch(text)
    if (is_exponent or kind in {"int", "float"}) and len(text) > NUMBER_TEXT:
        return (
            f"{text[:20]}: a number of {len(text)} characters, and at most {NUMBER_TEXT} are read"
        )
    if is_exponent:
        return f"{text} is read as text by YAML; write {_float_text(text)}"
    if kind == "bool" and text not in {"true", "false"}:
        meant = "true" if text.lower() in {"yes", "on", "true"} else "false"
        return f"{text} is read as {meant} by YAML; write {meant}, or '{text}' for the word"
    odd_int = kind == "int" and not re.fullmatch(r"[-+]?(0|[1-9][0-9]*)", text)
    if odd_int or (kind == "float" and re.search(r"[_:]", text)):
        number = yaml.safe_load(text)
        return f"{text} is read as {number} by YAML; write {number}, or '{text}' for the word"
    if kind in {"timestamp", "binary", "merge", "value"}:
        return f"{text} is read as a {kind} by YAML; write '{text}' for the word"
    return None


def _float_text(text: str) -> str:
    mantissa, _, exponent = text.lower().partition("e")
    sign = mantissa[0] if mantissa[0] in "-+" else ""
    whole, _, fraction = mantissa.removeprefix(sign).partition(".")
    return f"{sign}{whole or 0}.{fraction or 0}e{int(exponent):+d}"


def _implicit_tag(node: yaml.Node) -> str:
    if isinstance(node, yaml.ScalarNode):
        return _resolve(node.value) if node.style is None else "tag:yaml.org,2002:str"
    kind = "map" if isinstance(node, yaml.MappingNode) else "seq"
    return f"tag:yaml.org,2002:{kind}"


def _resolve(text: str) -> str:
    return str(_RESOLVER.resolve(yaml.ScalarNode, text, (True, False)))
