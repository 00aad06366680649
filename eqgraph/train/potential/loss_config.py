"""What the YAML file may say about the loss of a potential."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Literal

from ase.data import atomic_numbers
from pydantic import (
    BeforeValidator,
    Field,
    NonNegativeFloat,
    PositiveFloat,
    field_validator,
    model_serializer,
    model_validator,
)

from ..config import Section


class TermConfig(Section):
    """One term of the loss; a number alone is its weight.

    Example:
        >>> TermConfig.model_validate(10) == TermConfig(weight=10.0, function="mse")
        True
    """

    weight: NonNegativeFloat = Field(1.0, description="factor of the mean error")
    function: Literal["mse", "mae", "huber"] = Field(
        "mse", description="mse (e²), mae (|e|) or huber (e²/2 up to delta, delta · (|e| - delta/2) beyond)"
    )
    delta: PositiveFloat | None = Field(
        None, description="error from which huber is linear, in the unit of the property; with function: huber alone"
    )

    @model_validator(mode="before")
    @classmethod
    def _of_number(cls, value: Any) -> Any:
        return value if isinstance(value, dict | TermConfig) else {"weight": value}

    @field_validator("delta")
    @classmethod
    def _check_delta(cls, delta: float | None, info: Any) -> float | None:
        function = info.data.get("function")
        if function == "huber" and delta is None:
            raise ValueError("a number above zero for function: huber")
        if function in ("mse", "mae") and delta is not None:
            raise ValueError(f"function: huber beside it, not {function}")
        return delta

    @model_serializer(mode="wrap")
    def _written(self, handler: Callable[[Any], dict[str, Any]]) -> Any:
        """A number if that says all."""
        fields = {key: value for key, value in handler(self).items() if value not in (None, {}, "mse")}
        return fields["weight"] if fields.keys() == {"weight"} else fields


def _element_weights(value: Any) -> Any:
    if isinstance(value, dict) and (unknown := [symbol for symbol in value if symbol not in atomic_numbers]):
        raise ValueError(f"a weight for each of some chemical symbols such as {{H: 0.5}} (not {unknown[0]!r})")
    return value


class ForcesTermConfig(TermConfig):
    """The term of the forces, whose atoms may count differently."""

    elements: Annotated[dict[str, NonNegativeFloat], BeforeValidator(_element_weights)] = Field(
        {}, description="weight of the atoms of an element such as {H: 0.5}; 1 for all others"
    )


def _start(value: Any) -> Any:
    if isinstance(value, int) and not isinstance(value, bool) and value >= 2:
        return value
    if isinstance(value, float) and 0 < value < 1:
        return value
    raise ValueError("a fraction of the training between 0 and 1 (0.75), or an epoch from 2 on (200)")


class StageConfig(Section):
    """Weights from some point of the training on; those that are not named stay what they were before."""

    start: Annotated[int | float, BeforeValidator(_start)] = Field(
        description="its beginning: a fraction of the training (0.75; of steps or time, whichever is further) or an epoch (200)"
    )
    energy: NonNegativeFloat | None = Field(None, description="weight of the energy from then on")
    forces: NonNegativeFloat | None = Field(None, description="weight of the forces from then on")
    stress: NonNegativeFloat | None = Field(None, description="weight of the stress from then on")
    virial: NonNegativeFloat | None = Field(None, description="weight of the virial from then on")
    dipole: NonNegativeFloat | None = Field(None, description="weight of the dipole moment from then on")

    @model_serializer(mode="wrap")
    def _written(self, handler: Callable[[Any], dict[str, Any]]) -> dict[str, Any]:
        return {key: value for key, value in handler(self).items() if value is not None}

    @property
    def weights(self) -> dict[str, float]:
        """Those that change."""
        return {name: weight for name, weight in self if name != "start" and weight is not None}

    @model_validator(mode="after")
    def _check_any(self) -> StageConfig:
        if not self.weights:
            raise ValueError("at least one weight that changes, such as {start: 0.75, energy: 10}")
        return self


def _list(value: Any) -> Any:
    return [value] if isinstance(value, dict | StageConfig) else value


_FORM = ": a weight, or {weight: 1, function: mse, mae or huber, delta: 0.01}"


class LossConfig(Section):
    """What is minimized, see `eqgraph.train.Loss`.

    Example:
        >>> config = LossConfig(energy=1, forces={"weight": 10, "function": "huber", "delta": 0.01})
        >>> config.forces.function, config.model_dump(exclude={"stages", "config_types"})["energy"]
        ('huber', 1.0)
    """

    energy: TermConfig = Field(default_factory=TermConfig, description=f"error of the energy per atom, eV/atom{_FORM}")
    forces: ForcesTermConfig = Field(
        default_factory=ForcesTermConfig,
        description=f"error of a force component, eV/Å{_FORM[:-1]}, elements: {{H: 0.5}}}}",
    )
    stress: TermConfig = Field(
        default_factory=lambda: TermConfig(weight=0.0), description=f"error of a stress component, eV/Å³{_FORM}"
    )
    virial: TermConfig = Field(
        default_factory=lambda: TermConfig(weight=0.0),
        description=f"error of a virial component per atom, eV/atom{_FORM}",
    )
    dipole: TermConfig = Field(
        default_factory=lambda: TermConfig(weight=0.0),
        description=f"error of a component of the dipole moment, e·Å{_FORM}",
    )
    config_types: dict[str, NonNegativeFloat] = Field(
        {}, description="weight of the structures of a config_type such as {surface: 2}; 1 for all others"
    )
    stages: Annotated[list[StageConfig], BeforeValidator(_list)] = Field(
        [], description="other weights later on, such as [{start: 0.75, energy: 10, forces: 1}]"
    )

    @property
    def terms(self) -> dict[str, TermConfig]:
        """Property -> how it counts."""
        return {name: term for name, term in self if isinstance(term, TermConfig)}

    @property
    def stage_weights(self) -> list[dict[str, float]]:
        """Property -> weight, from the beginning and from each stage on."""
        weights = [{name: term.weight for name, term in self.terms.items()}]
        for stage in self.stages:
            weights.append(weights[-1] | stage.weights)
        return weights

    @property
    def used(self) -> list[str]:
        """Properties that have a weight at some time."""
        return [name for name in self.terms if any(weights[name] > 0 for weights in self.stage_weights)]

    @model_validator(mode="after")
    def _check_weights(self) -> LossConfig:
        for number, weights in enumerate(self.stage_weights):
            if not any(weights.values()):
                where = f" in stages.{number - 1} and what stays from before" if number else ""
                raise ValueError(f"at least one weight above zero{where}")
        for kind in (int, float):
            starts = [stage.start for stage in self.stages if isinstance(stage.start, kind)]
            if sorted(set(starts)) != starts:
                raise ValueError(f"stages in the order of their start (not {starts})")
        return self
