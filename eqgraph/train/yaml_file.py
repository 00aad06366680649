"""YAML whose mistakes have one readable line each."""

from __future__ import annotations

from collections.abc import Hashable
from pathlib import Path
from typing import Any

import yaml

_LARGEST = 100_000
"""Values: aliases of aliases make many of a short text."""
_DEEPEST = 100


class _UniqueKeyLoader(yaml.SafeLoader):
    """YAML in which a key that appears twice is an error instead of a silent choice."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict:
        seen = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if not isinstance(key, Hashable):
                raise yaml.MarkedYAMLError(problem=f"the key {key!r:.80}", problem_mark=key_node.start_mark)
            if key in seen:
                raise yaml.MarkedYAMLError(problem=f"key '{key}' appears twice", problem_mark=key_node.start_mark)
            seen.add(key)
        return super().construct_mapping(node, deep)


def read_yaml(path: Path) -> Any:
    """What a YAML file says.

    Raises:
        ValueError: if it is not YAML in UTF-8; names the file.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        line = path.read_bytes()[: error.start].count(b"\n") + 1
        raise ValueError(
            f"'{path}': expected text in UTF-8, came the byte 0x{error.object[error.start]:02x} in line {line}. Save the file as "
            "UTF-8."
        ) from None
    return parse_yaml(text, f"'{path}'")


def parse_yaml(text: str, source: str) -> Any:
    """What a text in YAML says.

    Raises:
        ValueError: if it is not YAML; starts with `source`.
    """
    try:
        value = yaml.load(text, _UniqueKeyLoader)
    except yaml.constructor.ConstructorError as error:
        mark = error.problem_mark
        raise ValueError(
            f"{source}: expected plain text, numbers, lists and mappings, came {error.problem} in line {mark.line + 1}, column "
            f"{mark.column + 1}. Tags are not evaluated: write the value itself."
        ) from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        where = f" in line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        raise ValueError(f"{source}: expected YAML, came {error.problem}{where}. Correct that line.") from None
    except yaml.YAMLError as error:
        raise ValueError(f"{source}: expected YAML, came {' '.join(str(error).split())}. Correct it.") from None
    except Exception as error:  # PyYAML reads dates, numbers and nested brackets without looking at them first
        raise ValueError(
            f"{source}: expected YAML, came a value that cannot be read ({type(error).__name__}: {str(error)[:200]}). Correct it, or "
            "put text between quotation marks."
        ) from None
    _check_size(value, source)
    return value


def _check_size(value: Any, source: str) -> None:
    todo, number = [(value, 0)], 0
    while todo:
        value, depth = todo.pop()
        number += 1
        if number > _LARGEST or depth > _DEEPEST:
            raise ValueError(
                f"{source}: expected at most {_LARGEST} values nested {_DEEPEST} deep, came more (aliases of aliases?). Write them out."
            )
        inner = value.values() if isinstance(value, dict) else value if isinstance(value, list | set | tuple) else ()
        todo += [(entry, depth + 1) for entry in inner]
