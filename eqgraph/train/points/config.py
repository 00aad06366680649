"""What the YAML file of a training on point clouds may say."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, BeforeValidator, Field, NonNegativeFloat, PositiveFloat, PositiveInt

from eqgraph.models import CLASSIFIERS
from eqgraph.transforms import protocol

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
)


def _held_out(value: Any) -> Any:
    return None if value is None else held_out(value, "cloud")


def _protocol(value: str) -> str:
    name = "none/none" if value == "none" else value
    try:
        protocol(name, "")
    except ValueError:
        raise ValueError("none, z/z, z/SO3, SO3/SO3 or two others of none, z, SO3 and O3") from None
    return value


def _range(value: tuple[float, float]) -> tuple[float, float]:
    if not 0 < value[0] <= value[1]:
        raise ValueError("two factors above zero, the smaller one first")
    return value


class PointsDataConfig(Section):
    """Where the clouds are, which of their points are taken and how they are changed."""

    train: Path = Field(
        description="path of the training clouds: a file, or a folder (of a folder with splits, the split train)"
    )
    valid: Annotated[int | float | Path | None, BeforeValidator(_held_out)] = Field(
        None,
        description="path of the validation clouds (of a folder, the split valid), how many clouds (or what fraction) of train to hold "
        "out, or null for none",
    )
    test: Annotated[dict[str, Path], BeforeValidator(named_paths)] = Field(
        {},
        description="path, list of paths or {name: path} of clouds to test on after the training (of a folder with splits, the split "
        "test); names other than train and valid",
    )
    format: Literal["auto", "npz", "modelnet_hdf5", "scanobjectnn", "shapenetpart", "folders"] = Field(
        "auto", description="layout of the files, see eqgraph.datasets.read_point_clouds"
    )
    classes: list[str] | None = Field(
        None,
        min_length=2,
        description="names of the classes (of categories, where points have classes) to use, in this order, or null for all",
    )
    read_points: PositiveInt | None = Field(
        None, description="points per cloud that are read into memory (drawn on meshes), or null for all (meshes: 1024)"
    )
    num_points: PositiveInt | None = Field(
        None, description="points per cloud, drawn anew in every epoch, or null for all"
    )
    normals: bool | None = Field(
        None, description="normals in the files: null takes those there are, true demands them, false leaves them out"
    )
    estimate_normals: int | None = Field(
        None, ge=2, description="nearest neighbors from which normals are estimated, or null for none"
    )
    irreps: str | None = Field(
        None, description="irreps of columns of features in files that do not tell: 3x0e for colors, 1x1o for vectors"
    )
    normalize: Literal["sphere", "std"] | None = Field(
        None, description="size that all clouds get: sphere (radius 1), std (coordinates of variance 1), or null"
    )
    protocol: Annotated[str, AfterValidator(_protocol)] = Field(
        "none", description="how clouds are turned in training/test: none, z/z, z/SO3 or SO3/SO3"
    )
    jitter: NonNegativeFloat = Field(
        0.0, description="standard deviation of the noise on coordinates in training, in units of the coordinates"
    )
    scale: Annotated[tuple[PositiveFloat, PositiveFloat], AfterValidator(_range)] | None = Field(
        None, description="smallest and greatest factor by which clouds are scaled in training, or null"
    )
    point_dropout: float = Field(
        0.0, ge=0, lt=1, description="greatest part of a cloud's points that is left out in training"
    )


class PointsModelConfig(ModelSection):
    """Which architecture, and (in the same section) the keys of that architecture's own config."""

    architectures: ClassVar = CLASSIFIERS
    architecture: Literal[tuple(CLASSIFIERS)] = Field(
        "tensor_field_network", description="name of the network, a key of eqgraph.models.CLASSIFIERS"
    )


class PointsLossConfig(Section):
    """The cross entropy that is minimized."""

    label_smoothing: float = Field(
        0.1, ge=0, lt=1, description="part of the probability that is spread evenly over all classes"
    )
    class_weights: Literal["balanced"] | None = Field(
        None, description="balanced: every class weighs the same, however many clouds it has; or null"
    )


class PointsOptimizerConfig(OptimizerConfig):
    """AdamW with decoupled weight decay, or Adam."""

    name: Literal["adam", "adamw"] = Field("adamw", description="adam or adamw")
    learning_rate: PositiveFloat = Field(
        0.002, description="step size at the start of the schedule (after its warm-up)"
    )
    weight_decay: NonNegativeFloat = Field(0.01, description="decay of the weights, as torch.optim defines it")


class PointsTrainingConfig(TrainingConfig):
    """How long, where to and on what."""

    seed: int = Field(
        0,
        ge=0,
        lt=2**32,
        description="seed of the weights, of the split, of the order of the clouds and of what is drawn",
    )
    keep: Literal["best_valid", "final"] = Field(
        "final", description="the model that is kept and tested: that of the final epoch, or best_valid"
    )
    batch_size: PositiveInt = Field(32, ge=2, description="clouds per optimizer step")
    valid_batch_size: PositiveInt = Field(
        64, description="clouds per step of validation; changes speed and memory only"
    )
    max_epochs: PositiveInt = Field(100, description="passes over the training clouds")
    votes: PositiveInt = Field(
        1,
        description="samplings of the points of each test cloud whose probabilities are averaged; 1 is the usual protocol",
    )
    dtype: Literal["float32", "float64"] = Field("float32", description="precision of the network")


class PointsConfig(Section):
    """Everything that `eqgraph train` needs to know to train on point clouds.

    Example:
        >>> config = PointsConfig(task="classification", data={"train": "train.npz"}, training={"output": "runs/first"})
        >>> config.training.keep, config.model.architecture
        ('final', 'tensor_field_network')
    """

    task: Literal["classification", "segmentation"] = Field(
        description="what is trained: classification (of clouds) or segmentation (classes of points)"
    )
    data: PointsDataConfig
    model: PointsModelConfig = Field(default_factory=PointsModelConfig)
    loss: PointsLossConfig = Field(default_factory=PointsLossConfig)
    optimizer: PointsOptimizerConfig = Field(default_factory=PointsOptimizerConfig)
    schedule: ScheduleConfig = Field(default_factory=CosineSchedule)
    training: PointsTrainingConfig
    card: CardConfig = Field(default_factory=CardConfig)
