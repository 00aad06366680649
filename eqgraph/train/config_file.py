"""From a YAML file and `section.key=value` overrides to a task's config, with one readable line for every mistake."""

from __future__ import annotations

import difflib
import re
from pathlib import Path
from typing import Any, get_args

from pydantic import ValidationError

from .config import SCHEDULES, CosineSchedule, ModelSection, Section, schedule_name
from .config_paths import resolve_paths
from .tasks import DEFAULT_TASK, TASKS
from .yaml_file import parse_yaml, read_yaml


def load_config(path: str | Path, overrides: list[str] | tuple[str, ...] = ()) -> Section:
    """Read a YAML file, then apply `section.key=value` overrides (values are YAML).

    Relative paths in the file are relative to the file's folder, those in overrides to the working directory.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is not YAML in UTF-8, or a key is unknown, missing or of the wrong type; names each such key.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"Expected a YAML file, found none at '{path}'. Check the path.")
    raw = read_yaml(path)
    if not isinstance(raw, dict) or not any(isinstance(section, dict) for section in raw.values()):
        sections = ", ".join(f"{name}:" for name in TASKS[DEFAULT_TASK].config_class.model_fields if name != "task")
        raise ValueError(
            f"'{path}': expected sections ({sections}) with keys below them, came something else. Indent each key below its section."
        )
    resolve_paths(raw, path.resolve().parent)
    for override in overrides:
        name, equals, text = override.partition("=")
        keys = name.strip().split(".")
        if not equals or not all(keys) or (len(keys) < 2 and keys != ["task"]):
            raise ValueError(f"Expected section.key=value, came '{override}'. An example: training.max_epochs=100.")
        value = parse_yaml(text, f"override '{override}'")
        for key in reversed(keys):
            value = {key: value}
        resolve_paths(value, Path.cwd())
        _assign(raw, value, override)
    return parse_config(raw, source=str(path))


def parse_config(raw: dict[Any, Any], source: str = "config") -> Section:
    """Validate nested dicts; like `Config(**raw)` of the task that they name, but an error is one readable line per key.

    Raises:
        ValueError: names each key that is unknown, missing or of the wrong type, what was expected and what came.

    Example:
        >>> parse_config({"data": {"train": "a.xyz"}, "training": {"output": "runs/a", "max_epoch": 5}})
        Traceback (most recent call last):
        ...
        ValueError: config: unknown key 'training.max_epoch'. Did you mean 'training.max_epochs'?
    """
    if (task := raw.get("task", DEFAULT_TASK)) not in list(TASKS):
        raise ValueError(f"{source}: 'task': expected one of {', '.join(TASKS)}, came {task!r}. {_nearest_task(task)}")
    try:
        return TASKS[task].config_class.model_validate(raw)
    except ValidationError as error:
        raise ValueError("\n".join(f"{source}: {line}" for line in _explain(error, raw))) from None


def _assign(raw: dict[Any, Any], change: dict[str, Any], override: str) -> None:
    """Put the one leaf of `change` into `raw`, making the dicts above it where they are missing."""
    ((key, value),), top = change.items(), raw
    *sections, _ = override.partition("=")[0].strip().split(".")
    for _ in sections:
        if not isinstance(raw.get(key), dict):
            # where a section may be a number, that is its weight
            weight = raw.get(key)
            raw[key] = {"weight": weight} if isinstance(weight, int | float) and raw is not top else {}
        raw = raw[key]
        ((key, value),) = value.items()
    raw[key] = value


def _explain(error: ValidationError, raw: dict[Any, Any], prefix: tuple[str, ...] = ()) -> list[str]:
    """One sentence per wrong key: what was expected, what came, what to do."""
    lines = []
    for detail in error.errors():
        cause = detail.get("ctx", {}).get("error")
        loc = detail["loc"]
        if loc[:1] == ("schedule",) and len(loc) > 1 and loc[1] in SCHEDULES:
            loc = (loc[0], *loc[2:])  # pydantic names the member of the union too
        keys = _as_written((*prefix, *loc), raw)
        if isinstance(cause, ValidationError):  # of the architecture's own config
            lines += _explain(cause, raw, keys)
            continue
        name, came = ".".join(keys), detail["input"]
        if detail["type"] == "extra_forbidden":
            lines.append(f"unknown key '{name}'. {_suggestion(keys, raw)}")
        elif detail["type"] == "missing":
            lines.append(f"expected '{name}', came nothing. {_advice(keys, raw)}")
        else:
            expected = str(cause) if cause else re.sub(r"^\w+ should be ", "", detail["msg"]).split(",")[0]
            if detail["type"] == "literal_error":
                expected = detail["ctx"]["expected"]
            if detail["type"] == "path_type":
                expected = "a path"
            if detail["type"].startswith("union_tag"):
                name, came, expected = f"{name}.name", schedule_name(came), "one of " + ", ".join(SCHEDULES)
            lines.append(f"'{name}': expected {expected}, came {came!r:.200}. {_advice(keys, raw)}")
    return lines


def _as_written(location: tuple[str | int, ...], raw: Any) -> tuple[str, ...]:
    """The keys that lead to a place, as far as the file has them: a number may stand for a section, one entry for a list."""
    keys: list[str] = []
    for part in location:
        if isinstance(raw, dict):
            if isinstance(part, int) and part not in raw:
                continue
            keys.append(str(part))
            raw = raw.get(part, {})
        elif isinstance(raw, list) and isinstance(part, int) and part < len(raw):
            keys.append(str(part))
            raw = raw[part]
        else:
            break
    return tuple(keys)


def _field(keys: tuple[str, ...], raw: dict[Any, Any]) -> Any:
    """The pydantic field of a key, None if there is none."""
    fields, field = _sections(raw).get(keys[0], {}), None
    for key in keys[1:]:
        if not (key.isdecimal() and field is not None):  # places in lists have the fields of the list
            field = fields.get(key)
        fields = {} if field is None else _fields_below(field)
    return field


def _fields_below(field: Any) -> dict[str, Any]:
    """Those of a section within a section, or of a list of such."""
    kinds = (field.annotation, *get_args(field.annotation))
    return next((dict(kind.model_fields) for kind in kinds if isinstance(kind, type) and issubclass(kind, Section)), {})


def _sections(raw: dict[Any, Any]) -> dict[str, dict[str, Any]]:
    """Section name -> its keys with their pydantic fields, for the task, the architecture and the schedule that `raw` names."""
    sections: dict[str, dict[str, Any]] = {}
    for name, field in TASKS[raw.get("task", DEFAULT_TASK)].config_class.model_fields.items():
        kind = field.annotation
        if name == "schedule":
            kind = SCHEDULES.get(schedule_name(raw.get(name) or {}), CosineSchedule)
        sections[name] = {} if name == "task" else dict(kind.model_fields)
        if name == "model":
            sections[name] |= _network_fields(kind, raw.get(name))
    return sections


def _network_fields(kind: type[ModelSection], model: Any) -> dict[str, Any]:
    """The keys of the architecture that a section `model` names."""
    default = kind.model_fields["architecture"].default
    architecture = model.get("architecture", default) if isinstance(model, dict) else default
    known = kind.architectures.get(architecture) if isinstance(architecture, str) else None
    return {} if known is None else {**known[0].model_fields}


def _nearest_task(task: Any) -> str:
    nearest = difflib.get_close_matches(str(task), TASKS, n=1)
    return f"Did you mean '{nearest[0]}'?" if nearest else "Choose one of these."


def _suggestion(keys: tuple[str, ...], raw: dict[Any, Any]) -> str:
    sections = _sections(raw)
    if len(keys) == 1:
        known = list(sections)
        nearest = difflib.get_close_matches(keys[0], known, n=1)
        homes = [f"{section}.{keys[0]}" for section, fields in sections.items() if keys[0] in fields]
        return (
            f"Did you mean '{(homes or nearest)[0]}'?" if homes or nearest else f"The sections are: {', '.join(known)}."
        )
    if len(keys) > 2 and (field := _field(keys[:-1], raw)) is not None and (known := list(_fields_below(field))):
        place, nearest = ".".join(keys[:-1]), difflib.get_close_matches(keys[-1], known, n=1)
        return f"Did you mean '{place}.{nearest[0]}'?" if nearest else f"The keys of {place} are: {', '.join(known)}."
    known = list(sections.get(keys[0], ()))
    homes = [f"{section}.{keys[-1]}" for section, fields in sections.items() if keys[-1] in fields]
    if homes:
        return f"Did you mean '{homes[0]}'?"
    if nearest := difflib.get_close_matches(keys[-1], known, n=1):
        return f"Did you mean '{keys[0]}.{nearest[0]}'?"
    everywhere = {key: section for section, fields in sections.items() for key in fields}
    if nearest := difflib.get_close_matches(keys[-1], everywhere, n=1, cutoff=0.8):
        return f"Did you mean '{everywhere[nearest[0]]}.{nearest[0]}'?"
    return f"The keys of {keys[0]} are: {', '.join(known)}."


def _advice(keys: tuple[str, ...], raw: dict[Any, Any]) -> str:
    """The description of the key, or of the nearest one above that has one, as the thing to do."""
    for end in range(len(keys), 1, -1):
        field = _field(keys[:end], raw)
        if field is not None and field.description:
            return f"Set {'.'.join(keys[:end])}: {field.description}."
    return "Correct it."
