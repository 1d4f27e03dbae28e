"""Every setting of a spec with its meaning, type, range and default, read from the JSON Schema."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from steelexp.spec.schema import SECTIONS

Schema = Mapping[str, Any]

INTRODUCTION: Final = (
    "Every setting of a spec, written by `steelexp explain --page`. `steelexp explain KEY` prints "
    "one, such as `loss.gamma`, a section, such as `loss`, or a component, such as `focal`."
)

_ABSENT: Final = object()
LISTS: Final = ("training.phases",)
"""Sections that are lists."""

_BOUNDS: Final = {
    "minimum": "at least {}",
    "exclusiveMinimum": "above {}",
    "maximum": "at most {}",
    "exclusiveMaximum": "below {}",
    "multipleOf": "a multiple of {}",
}
_TYPES: Final = {
    "integer": "whole number",
    "number": "number",
    "string": "text",
    "boolean": "true or false",
    "null": "null",
    "object": "mapping",
}


class Setting(NamedTuple):
    """One setting of one component, or of a section without components.

    Attributes:
        key: Dotted key, such as loss.gamma.
        component: Name of the component, such as focal; "" in a section without components.
        values: Type and range in words.
        default: Default as in YAML; None for a setting that a spec has to give.
        meaning: Description.
        example: The setting in its section, as in YAML.
    """

    key: str
    component: str
    values: str
    default: str | None
    meaning: str
    example: str


class Part(NamedTuple):
    """A section of a spec, or one of its components.

    Attributes:
        key: Dotted key of the section.
        component: Name of the component; "" for the section itself.
        meaning: Description.
        settings: Its settings.
    """

    key: str
    component: str
    meaning: str
    settings: tuple[Setting, ...]


def parts_of(schema: Schema) -> list[Part]:
    """Every section and component of a spec, in the order of the schema.

    Args:
        schema: JSON Schema of a spec, as `json_schema` returns it.
    """
    single = []
    parts: dict[Part, None] = {}  # a part that all components have is one
    for key, node in schema["properties"].items():
        if found := list(_parts(schema, key, node)):
            parts |= dict.fromkeys(found)
        else:
            single.append(_setting(schema, key, "", node, {}))
    return [Part("", "", "Settings at the top of the file.", tuple(single)), *parts]


def _parts(schema: Schema, key: str, node: Schema) -> Iterator[Part]:
    """The parts of a section; none where the node is a plain setting."""
    for name, definition in _definitions(schema, node):
        properties = dict(definition["properties"])
        component = _component(key, properties)
        chosen = {} if not component else {_selector(key): component}
        inner = []
        settings = []
        for setting, each in properties.items():
            if setting in chosen and "const" in each:
                continue
            dotted = f"{key}.{setting}"
            if found := list(_parts(schema, dotted, each)):
                inner += found
            else:
                settings.append(_setting(schema, dotted, component, each, chosen))
        meaning = node.get("description") or definition.get("description") or ""
        yield Part(key, component or _chained(key, name), meaning, tuple(settings))
        yield from inner


def _definitions(schema: Schema, node: Schema) -> Iterator[tuple[str, Schema]]:
    """Name and schema of every object that a node refers to, alone or in a list."""
    if "$ref" in node:
        name = str(node["$ref"]).rpartition("/")[2]
        yield name, schema["$defs"][name]
    for each in (*node.get("anyOf", ()), *([node["items"]] if "items" in node else ())):
        if isinstance(each, Mapping):
            yield from _definitions(schema, each)


def _component(key: str, properties: Schema) -> str:
    """Name of the component that a schema is of."""
    return str(properties.get(_selector(key), {}).get("const", ""))


def _selector(key: str) -> str:
    section = SECTIONS.get(key) or SECTIONS.get(key.rpartition(".")[2])
    return "" if section is None else section.selector


def _chained(key: str, name: str) -> str:
    """Name of a function of a chain, such as flips of augment.flips."""
    return name if key.endswith(f".{name}") else ""


def _setting(
    schema: Schema, key: str, component: str, node: Schema, chosen: Mapping[str, str]
) -> Setting:
    default = node.get("default", _ABSENT)
    inner: Any = _sample(node) if default is _ABSENT or default is None else default
    inner = {**chosen, key.rpartition(".")[2]: inner}
    above = key.split(".")[:-1]
    for depth in range(len(above), 0, -1):
        in_list = ".".join(above[:depth]) in LISTS
        inner = {above[depth - 1]: [inner] if in_list else inner}
    return Setting(
        key,
        component,
        _words(node),
        None if default is _ABSENT else yaml_text(default),
        str(node.get("description", "")),
        yaml_text(inner)[1:-1],
    )


def _sample(node: Schema) -> Any:
    """A value that fits a setting without a default."""
    if "enum" in node:
        return node["enum"][0]
    if "anyOf" in node:
        return _sample(node["anyOf"][0])
    least = node.get("minimum", node.get("exclusiveMinimum", 0) + 1)
    return {"integer": least, "number": least, "array": [], "boolean": True}.get(
        str(node.get("type")), "TEXT"
    )


def _words(node: Schema) -> str:
    """Type and range of a value in words."""
    if "anyOf" in node:
        return " or ".join(dict.fromkeys(_words(each) for each in node["anyOf"]))
    if "const" in node:
        return yaml_text(node["const"])
    if "enum" in node:
        return "one of " + ", ".join(yaml_text(each) for each in node["enum"])
    if node.get("type") == "array":
        return _list_words(node)
    words = _TYPES.get(str(node.get("type")), "any value")
    bounds = [text.format(_number(node[key])) for key, text in _BOUNDS.items() if key in node]
    return ", ".join([words, *bounds])


def _list_words(node: Schema) -> str:
    items = node.get("items") or node.get("prefixItems", [{}])[0]
    least, most = node.get("minItems"), node.get("maxItems")
    count = f" of {least}" if least is not None and least == most else ""
    return f"list{count}: {_words(items)}" if items else f"list{count}"


def _number(value: float) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:g}"


def reference_page(parts: Sequence[Part]) -> str:
    """Every setting as a page in Markdown.

    Args:
        parts: Sections and components, as `parts_of` returns them.
    """
    lines = [
        "# Settings",
        "",
        INTRODUCTION,
    ]
    for key in dict.fromkeys(part.key for part in parts):
        section = [part for part in parts if part.key == key]
        shared = _shared(section)
        lines += ["", f"## {key or 'The top of the file'}"]
        if shared:
            lines += ["", "Of each:", "", *_table(shared)]
        for part in section:
            own = [e for e in part.settings if e._replace(component="", example="") not in shared]
            lines += ["", *_part_lines(part, own)]
    return "\n".join(lines) + "\n"


def _shared(section: Sequence[Part]) -> list[Setting]:
    """Settings that are the same in all of some components."""
    if len(section) == 1:
        return []
    sets = [[each._replace(component="", example="") for each in part.settings] for part in section]
    return [each for each in sets[0] if all(each in others for others in sets[1:])]


def _part_lines(part: Part, settings: Sequence[Setting]) -> list[str]:
    lines = [f"### {part.component}", ""] if part.component else []
    lines += [part.meaning] if part.meaning else []
    return [*lines, *(["", *_table(settings)] if settings else [])]


def _table(settings: Sequence[Setting]) -> list[str]:
    rows = [
        (
            f"`{each.key.rpartition('.')[2]}`",
            each.meaning,
            each.values,
            "needed" if each.default is None else f"`{each.default}`",
        )
        for each in settings
    ]
    head = [("setting", "meaning", "values", "default"), ("---",) * 4]
    return [f"| {' | '.join(map(_cell, row))} |" for row in head + rows]


def _cell(text: str) -> str:
    """Text within a table of Markdown, which a bar would end."""
    return text.replace("|", "\\|")


def yaml_text(value: Any) -> str:
    """A value on one line of YAML."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key}: {yaml_text(each)}" for key, each in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(yaml_text, value)) + "]"
    if isinstance(value, str):
        is_plain = value.replace("_", "").replace("-", "").isalnum() and not value.isdigit()
        return value if is_plain and value not in {"null", "true", "false"} else json.dumps(value)
    return json.dumps(value)
