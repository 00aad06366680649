"""What the YAML file of `eqgraph train` may say of any training: a class per section, a description (with its unit) per key."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    NonNegativeFloat,
    PositiveFloat,
    PositiveInt,
    Tag,
    field_validator,
    model_validator,
)

DEVICE_PATTERN = r"^(auto|cpu|cuda(:\d+)?)$"

_SECONDS = {
    "s": 1,
    "sec": 1,
    "second": 1,
    "m": 60,
    "min": 60,
    "minute": 60,
    "h": 3600,
    "hour": 3600,
    "d": 86400,
    "day": 86400,
}


def seconds(time: Any) -> float:
    """Read a duration: '00:10:00' (hours, minutes, seconds), '10:00', '4 min', '30 s', '2 h', '1 d' or a number of seconds.

    Raises:
        ValueError: if it is none of these, or not above zero.

    Example:
        >>> seconds("00:10:00"), seconds("4 min"), seconds(90)
        (600.0, 240.0, 90.0)
    """
    text = str(time).strip()
    total = 0.0
    if not isinstance(time, bool):
        if re.fullmatch(r"\d+(:\d{1,2}){1,2}", text):
            for part in text.split(":"):
                total = 60 * total + int(part)
        elif match := re.fullmatch(r"(\d+\.?\d*|\.\d+)\s*([a-z]*)", text.lower()):
            unit = match[2] if match[2] in _SECONDS else match[2].removesuffix("s") or "s"
            total = float(match[1]) * _SECONDS.get(unit, 0)
    if total <= 0:
        raise ValueError("a duration above zero such as '00:10:00', '4 min', '2 h' or a number of seconds")
    return total


_LONGEST_NAME = 150
"""Bytes: file systems allow 255, of which a part is for what stands before and after it."""


def name_in_file(name: str) -> str:
    """The name of a set of structures as a part of a file name.

    Example:
        >>> name_in_file("PBE0/300 K")
        'PBE0_300_K'
    """
    kept = "".join(letter if letter.isalnum() or letter in "-_." else "_" for letter in name)
    if len(kept.encode()) <= _LONGEST_NAME:
        return kept
    return f"{kept[:30]}_{hashlib.sha256(kept.encode()).hexdigest()[:16]}"  # 30 letters are at most 120 bytes


def _paths(value: Any) -> Any:
    """One path or several: always a list."""
    return [value] if isinstance(value, str | Path) else value


def some_paths(value: Any) -> Any:
    if value in ([], {}, None):
        raise ValueError("at least one path")
    return _paths(value)


def paths_or_none(value: Any) -> Any:
    """One path, several or none: always a list."""
    return [] if value is None else _paths(value)


def named_paths(value: Any) -> Any:
    """One path, several, or {name: path}: always {name: path}; a path without a name is called by its stem.

    Names stand beside "train" and "valid" in tables and file names, so they differ from these and from each other there, even
    where file names ignore case.
    """
    paths = _paths(value)
    taken = {"train", "valid"}
    named: dict[str, Any] = {}
    if isinstance(paths, list):
        for path in paths:
            stem = Path(str(path)).stem
            stem = f"test_{stem}" if stem.lower() in ("train", "valid") else stem
            names = (stem, *(f"{stem}_{i}" for i in range(2, len(paths) + 2)))
            name = next(name for name in names if name_in_file(name).lower() not in taken)
            taken.add(name_in_file(name).lower())
            named[name] = path
        return named
    for name in paths if isinstance(paths, dict) else ():
        file = name_in_file(str(name)).lower()
        if file in ("train", "valid"):
            raise ValueError(
                f"names other than train and valid, which are those of data.train and data.valid (not '{name}')"
            )
        if file in taken:
            raise ValueError(f"names that give files of different names (not '{name}' beside the one like it)")
        taken.add(file)
    return paths


def _device(value: str) -> str:
    if not re.fullmatch(DEVICE_PATTERN, value):
        raise ValueError("one of auto, cpu, cuda, cuda:0, cuda:1 and so on")
    return value


def held_out(value: Any, thing: str = "structure") -> Any:
    """A path, a whole number of structures (or other things), or a fraction."""
    if isinstance(value, str | Path):
        return Path(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"a path, a number of {thing}s (50) or a fraction of data.train (0.1)")
    if isinstance(value, int) and value < 1:
        raise ValueError(f"at least 1 {thing}, or a fraction between 0 and 1")
    if isinstance(value, float) and not 0 < value < 1:
        raise ValueError(f"a fraction between 0 and 1, or a whole number of {thing}s")
    return value


class Section(BaseModel):
    """A part of the file, in which nothing unknown may stand."""

    model_config = ConfigDict(extra="forbid", validate_default=True, allow_inf_nan=False)

    @field_validator("*", mode="before")
    @classmethod
    def _check_value(cls, value: Any, info: Any) -> Any:
        """Refuse what would be understood, but not as it was meant, or would be understood too late."""
        annotation = cls.model_fields[info.field_name].annotation
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            return value  # a section, which looks at its own keys
        if isinstance(value, bool) and "bool" not in str(annotation):
            raise ValueError("something other than a truth value (YAML reads yes, no, on and off as such)")
        inner = value.items() if isinstance(value, dict) else value if isinstance(value, list) else ()
        texts = [value, *(part for entry in inner for part in (entry if isinstance(entry, tuple) else (entry,)))]
        if any(isinstance(text, str | Path) and "\0" in str(text) for text in texts):
            raise ValueError("text without NUL characters")  # no file has such a name
        return value


class ModelSection(Section):
    """Which architecture, and (in the same section) the keys of that architecture's own config."""

    model_config = ConfigDict(extra="allow")

    architectures: ClassVar[dict[str, tuple[type[BaseModel], type]]]
    """Name -> config and module."""
    architecture: str

    @property
    def network(self) -> BaseModel:
        """The architecture's own config."""
        return self.architectures[self.architecture][0].model_validate(self.model_extra or {})

    @model_validator(mode="after")
    def _check_network(self) -> ModelSection:
        self.__pydantic_extra__ = self.network.model_dump(mode="json")
        return self


class OptimizerConfig(Section):
    """Adam, or AdamW with decoupled weight decay."""

    name: Literal["adam", "adamw"] = Field("adam", description="adam or adamw")
    learning_rate: PositiveFloat = Field(0.01, description="step size at the start of the schedule (after its warm-up)")
    weight_decay: NonNegativeFloat = Field(0.0, description="decay of the weights, as torch.optim defines it")
    amsgrad: bool = Field(False, description="the AMSGrad variant, whose steps never grow back")
    clip_gradient: PositiveFloat | None = Field(10.0, description="largest norm of the gradient, or null for no limit")


class PlateauSchedule(Section):
    """Lower the learning rate when the validation loss stops falling."""

    name: Literal["plateau"] = "plateau"
    factor: float = Field(0.8, gt=0, lt=1, description="what the learning rate is multiplied by")
    patience: PositiveInt = Field(50, description="epochs without a better validation loss before that happens")
    min_learning_rate: NonNegativeFloat = Field(1e-6, description="learning rate below which it does not fall")


class CosineSchedule(Section):
    """Anneal the learning rate along half a cosine, by steps or by time, whichever is further."""

    name: Literal["cosine"] = "cosine"
    warmup_steps: int = Field(
        0, ge=0, description="optimizer steps in which the learning rate rises linearly at the start"
    )
    final_fraction: float = Field(0.01, ge=0, le=1, description="learning rate at the end as a fraction of the first")


class ConstantSchedule(Section):
    """Leave the learning rate as it is."""

    name: Literal["constant"] = "constant"


SCHEDULES = {"plateau": PlateauSchedule, "cosine": CosineSchedule, "constant": ConstantSchedule}


def schedule_name(value: Any) -> Any:
    """Which schedule a section (a dict or one of the classes) asks for."""
    name = value.get("name", "cosine") if isinstance(value, dict) else getattr(value, "name", None)
    return name if name is None else str(name)


ScheduleConfig = Annotated[
    Annotated[PlateauSchedule, Tag("plateau")]
    | Annotated[CosineSchedule, Tag("cosine")]
    | Annotated[ConstantSchedule, Tag("constant")],
    Discriminator(schedule_name),
]


class TrainingConfig(Section):
    """How long, where to and on what."""

    output: Path = Field(description="directory for the model, the checkpoint, the tables and the plots")
    overwrite: bool = Field(False, description="true to replace the run that the output directory holds")
    seed: int = Field(
        0, ge=0, lt=2**32, description="seed of the weights, of the split and of the order of the structures"
    )
    split_seed: int | None = Field(
        None,
        ge=0,
        lt=2**32,
        description="seed of the split alone, null: that of seed; several seeds share one split unless data.valid is a file",
    )
    seeds: int = Field(
        1,
        gt=0,
        le=1000,
        description="runs with the seeds seed, seed + 1 and so on, each in a directory of its own (seed_0, ...)",
    )
    keep: Literal["best_valid", "final"] = Field(
        "best_valid", description="the model that is kept and evaluated: best_valid or that of the final epoch"
    )
    batch_size: PositiveInt = Field(5, description="structures per optimizer step")
    valid_batch_size: PositiveInt = Field(
        32, description="structures per step of validation; changes speed and memory only"
    )
    max_epochs: PositiveInt = Field(1000, description="passes over the training structures")
    max_time: Annotated[float | None, BeforeValidator(lambda time: None if time is None else seconds(time))] = Field(
        None, description="time after which training stops ('00:10:00', '4 min', seconds), or null for no limit"
    )
    checkpoint_every: Annotated[float, BeforeValidator(seconds)] = Field(
        600.0, description="time between checkpoints within an epoch ('10 min', seconds); one more ends each epoch"
    )
    ema_decay: float = Field(
        0.99, ge=0, lt=1, description="decay per step of the running mean of the weights; 0 turns it off"
    )
    early_stopping: PositiveInt | None = Field(
        None, description="epochs without a better validation loss before training stops, or null for never"
    )
    dtype: Literal["float32", "float64"] = Field(
        "float32", description="precision of the network (energies are float64 always)"
    )
    device: Annotated[str, AfterValidator(_device)] = Field("auto", description="auto, cpu, cuda or cuda:1")
    threads: PositiveInt | None = Field(
        None, description="CPU threads of PyTorch, or null for at most 4 of those there are"
    )
    deterministic: bool = Field(True, description="same seed, same machine, same numbers; false may be faster on a GPU")

    @property
    def seed_of_split(self) -> int:
        """That draws what is held out."""
        return self.seed if self.split_seed is None else self.split_seed
