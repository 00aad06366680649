"""YAML whose mistakes have one readable line each."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml


class _UniqueKeyLoader(yaml.SafeLoader):
    """YAML in which a key that appears twice is an error instead of a silent choice."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict:
        seen = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
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
        return yaml.load(text, _UniqueKeyLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        where = f" in line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        raise ValueError(f"{source}: expected YAML, came {error.problem}{where}. Correct that line.") from None
    except yaml.YAMLError as error:
        raise ValueError(f"{source}: expected YAML, came {error}. Correct it.") from None
