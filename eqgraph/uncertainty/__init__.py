"""How wrong a potential may be: from its last layer, or from a committee; where it was not trained; what to label next."""

from .calibration import Calibration, calibration, likelihood_factor, log_likelihood, moment_factor
from .committee import Committee, CommitteeFactors, write_factors
from .energy_features import energy_features
from .fit_last_layer import fit_last_layer, fit_to_features, mean_features, structure_features
from .last_layer import LastLayerUncertainty
from .last_layer_file import last_layer_of, save_with_last_layer
from .load import load_uncertain
from .pool import Pool, describe_pool
from .select_frames import Choice, choose, choose_randomly
from .selection_report import selection_json, selection_table
from .trained_range import OutOfRange, RangeWatch, TrainedRange, range_warnings
from .uncertain_potential import LastLayerPotential, UncertainPotential
from .uncertainty import Uncertainty

__all__ = [
    "Calibration",
    "Choice",
    "Committee",
    "CommitteeFactors",
    "LastLayerPotential",
    "LastLayerUncertainty",
    "OutOfRange",
    "Pool",
    "RangeWatch",
    "TrainedRange",
    "UncertainPotential",
    "Uncertainty",
    "calibration",
    "choose",
    "choose_randomly",
    "describe_pool",
    "energy_features",
    "fit_last_layer",
    "fit_to_features",
    "last_layer_of",
    "likelihood_factor",
    "load_uncertain",
    "log_likelihood",
    "mean_features",
    "moment_factor",
    "range_warnings",
    "save_with_last_layer",
    "selection_json",
    "selection_table",
    "structure_features",
    "write_factors",
]
