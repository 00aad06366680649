"""What the YAML file of a potential's training may say."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field, PositiveFloat, PositiveInt, model_validator

from eqgraph.models import MODELS

from ..card_config import CardConfig
from ..config import (
    CosineSchedule,
    ModelSection,
    OptimizerConfig,
    ScheduleConfig,
    Section,
    TrainingConfig,
    held_out,
    named_paths,
    paths_or_none,
    some_paths,
)
from .loss_config import LossConfig
from .model_of_file import model_of_file


def _atomic_energies(value: Any) -> Any:
    ways = ("auto", "isolated", "least_squares", "mean", "refit")
    if value in ways:
        return value
    if isinstance(value, dict) and value:
        try:
            return {str(symbol): float(energy) for symbol, energy in value.items()}
        except (TypeError, ValueError):
            pass
    raise ValueError(f"one of {', '.join(ways)}, or a number in eV for each element such as {{H: -13.6, O: -2040.1}}")


class DataConfig(Section):
    """Where the structures are and what their labels are called."""

    train: Annotated[list[Path], BeforeValidator(some_paths)] = Field(
        description="path, or list of paths, of the training structures (any format that ASE reads, or folders of `eqgraph prepare`)"
    )
    valid: Annotated[int | float | Path, BeforeValidator(held_out)] = Field(
        0.1,
        description="path of the validation structures, or how many structures (or what fraction) of train to hold out",
    )
    test: Annotated[dict[str, Path], BeforeValidator(named_paths)] = Field(
        {},
        description="path, list of paths or {name: path} of structures for the error table after the training; names other than "
        "train and valid",
    )
    replay: Annotated[list[Path], BeforeValidator(paths_or_none)] = Field(
        [],
        description="path, or list of paths, of structures that the model of training.init_from was trained on, to be trained on again "
        "so that it does not forget them; their energies are moved by the change of the E0s",
    )
    isolated_atoms: Path | None = Field(
        None, description="path of isolated atoms, one of each element, whose energies are the E0s"
    )
    energy_key: str = Field("energy", description="name of the energy label (total energy in eV)")
    forces_key: str = Field("forces", description="name of the forces label (eV/Å)")
    stress_key: str = Field("stress", description="name of the stress label (eV/Å³, sign as in ASE)")
    virial_key: str = Field(
        "virial", description="name of the virial label (eV; read as a stress = -virial / volume in eV/Å³)"
    )
    dipole_key: str = Field(
        "dipole", description="name of the label of the dipole moment (e·Å), of neutral structures without periodicity"
    )
    in_memory: bool | Literal["auto"] = Field(
        "auto",
        description="true to keep all structures in memory, false to read them when they are needed, auto: true for less than 50 MB "
        "of files; folders of `eqgraph prepare` are read when needed unless true",
    )
    atomic_energies: Annotated[str | dict[str, float], BeforeValidator(_atomic_energies)] = Field(
        "auto",
        description="E0 of each element: isolated (from single-atom structures), least_squares (fit to the training energies), "
        "mean (one number per atom for all elements), refit (of the model of training.init_from, changed as little as fits the "
        "training energies), auto (the first of isolated and least_squares that is possible, mean if all structures have the same "
        "composition; with init_from isolated or refit) or {symbol: eV}",
    )

    @property
    def label_keys(self) -> dict[str, str]:
        """What read_frames needs to know."""
        return {name: key for name, key in self if name.endswith("_key")}


class ModelConfig(ModelSection):
    """Which architecture, and (in the same section) the keys of that architecture's own config."""

    architectures: ClassVar = MODELS
    architecture: Literal[tuple(MODELS)] = Field(
        "nequip", description="name of the network, a key of eqgraph.models.MODELS"
    )
    cutoff: PositiveFloat = Field(
        5.0, le=100, description="distance in Å (not nm, pm or bohr) up to which atoms are neighbors, usually 4 to 6"
    )
    zbl: bool = Field(
        False,
        description="true to add the repulsion of nuclei that come closer than the sum of their covalent radii (Ziegler, Biersack and "
        "Littmark), which no training structure shows; the network learns the rest",
    )


class PotentialTrainingConfig(TrainingConfig):
    """How long, where to and on what."""

    init_from: Path | None = Field(
        None, description="model file (.eqg) to start from in place of random weights; its architecture comes with it"
    )
    freeze: list[str] = Field(
        [], description="names of layers of that model that keep their weights, such as embedding or layers.0"
    )
    check: bool = Field(
        True,
        description="look for wrong units, signs and constraints in the labels before the training, as `eqgraph check` does, and "
        "refuse what cannot be meant; false trains on anything",
    )
    batch_size: PositiveInt | None = Field(
        5, description="structures per optimizer step, of all processes together; not together with batch_edges"
    )
    batch_edges: PositiveInt | None = Field(
        None,
        description="most edges (pairs of neighbors) per optimizer step and process, in place of a number of structures",
    )
    workers: int = Field(
        0, ge=0, le=256, description="processes that read structures and find neighbors beside the one that trains"
    )
    compile: bool = Field(
        False,
        description="compile the training step: minutes at the start, then a quarter to a third less time per step",
    )

    @model_validator(mode="after")
    def _check_batches(self) -> PotentialTrainingConfig:
        if self.batch_edges is not None:
            if self.batch_size is not None and "batch_size" in self.model_fields_set:
                raise ValueError("batch_size or batch_edges, not both")
            self.batch_size = None
        elif self.batch_size is None:
            raise ValueError("batch_size or batch_edges, not neither")
        return self


class Config(Section):
    """Everything that `eqgraph train` needs to know.

    Example:
        >>> config = Config(data={"train": "train.xyz"}, training={"output": "runs/first", "max_time": "4 min"})
        >>> config.training.max_time, config.schedule.name
        (240.0, 'cosine')
    """

    task: Literal["potential"] = Field("potential", description="what is trained: potential")
    data: DataConfig
    model: ModelConfig = Field(default_factory=ModelConfig)
    loss: LossConfig = Field(default_factory=LossConfig)
    optimizer: OptimizerConfig = Field(default_factory=OptimizerConfig)
    schedule: ScheduleConfig = Field(default_factory=CosineSchedule)
    training: PotentialTrainingConfig
    card: CardConfig = Field(default_factory=CardConfig)

    @model_validator(mode="after")
    def _check_fine_tuning(self) -> Config:
        path = self.training.init_from
        if path is not None:
            self.model = model_of_file(path, self.model, self.model.model_fields_set)
            return self
        for key, used in (
            ("training.freeze", self.training.freeze),
            ("data.replay", self.data.replay),
            ("data.atomic_energies: refit", self.data.atomic_energies == "refit"),
        ):
            if used:
                raise ValueError(f"training.init_from beside {key}, which has no meaning without a model to start from")
        return self
