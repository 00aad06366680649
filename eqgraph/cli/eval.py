"""`eqgraph eval`"""

from __future__ import annotations

import argparse
from pathlib import Path

from .console import make_console
from .options import LABELS, Help, add_committee, add_label_keys, label_keys, positive
from .trust import print_trust

_EXAMPLES = """\
examples:
  eqgraph eval runs/first/model.eqg other.xyz --output predictions.xyz
  eqgraph eval runs/seeds/seed_0/model.eqg other.xyz --committee runs/seeds
  eqgraph eval runs/clouds/model.eqg my_clouds --split test
"""


def add_eval(commands: argparse._SubParsersAction, common: argparse.ArgumentParser) -> None:
    """Its options."""
    evaluate = commands.add_parser(
        "eval",
        parents=[common],
        help="errors of a model on labelled structures or clouds",
        description=_eval.__doc__,
        epilog=_EXAMPLES,
        formatter_class=Help,
    )
    evaluate.add_argument("model", type=Path, help="model file that `eqgraph train` wrote (*.eqg)")
    evaluate.add_argument("data", type=Path, help="structures in any format that ASE reads, or point clouds")
    evaluate.add_argument(
        "--output",
        type=Path,
        metavar="FILE",
        help="where to write the structures with pred_energy, pred_forces and their uncertainties, or the predicted classes "
        "(predictions_DATA.xyz or .csv in the working directory)",
    )
    add_committee(evaluate)
    evaluate.add_argument(
        "--batch-size", type=positive, default=32, metavar="N", help="structures or clouds per step (default 32)"
    )
    evaluate.add_argument(
        "--split", help="which clouds of a folder that has splits: train, valid or test (default test)"
    )
    add_label_keys(evaluate, default="that of the training")
    evaluate.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:1 (default auto)")
    evaluate.set_defaults(run=_eval)


def _eval(arguments: argparse.Namespace) -> int:
    """Of a potential: print errors of energy, forces (total and per element) and stress, and how well
    uncertainties tell errors. Of a classifier: accuracy and confusions."""
    from eqgraph.model_file import read_header

    kind = read_header(arguments.model, "eval")["format"]
    of_potentials = ("committee", *(f"{name}_key" for name in LABELS))
    others = of_potentials if kind.startswith("eqgraph-points") else ("split",)
    for name in others:
        if getattr(arguments, name) not in (None, []):
            option = "--" + name.replace("_", "-")
            raise ValueError(f"Expected options of a model of the kind {kind}, came {option}. Leave {option} out.")
    return (_eval_points if kind.startswith("eqgraph-points") else _eval_potential)(arguments)


def _output(arguments: argparse.Namespace, suffix: str) -> Path:
    """Where the predictions go; not where the data or a model are."""
    output = arguments.output or Path(f"predictions_{arguments.data.stem}{suffix}")
    members = [("a model of the committee", path) for path in arguments.committee]
    for what, path in (("the data", arguments.data), ("the model", arguments.model), *members):
        if output.resolve() == path.resolve():
            raise ValueError(
                f"Expected another file for --output than {what}, came '{output}' for both. Choose another name."
            )
    return output


def _eval_points(arguments: argparse.Namespace) -> int:
    from eqgraph.train import choose_device, evaluate_points_file, evaluation_tables, write_class_predictions

    output, device = _output(arguments, ".csv"), choose_device(arguments.device)
    evaluation = evaluate_points_file(arguments.model, arguments.data, arguments.split, arguments.batch_size, device)
    console = make_console()
    for table in evaluation_tables(evaluation.scores, evaluation.classes, arguments.data.stem):
        console.print(table.rich())
    write_class_predictions(output, evaluation)
    console.print(f"Predictions: {output}", soft_wrap=True, highlight=False, markup=False)
    return 0


def _eval_potential(arguments: argparse.Namespace) -> int:
    from eqgraph.datasets import AtomsDataset
    from eqgraph.model_file import read_header, training_section
    from eqgraph.train import (
        calibration_table,
        choose_device,
        error_table,
        evaluate,
        read_labelled,
        write_predictions,
    )
    from eqgraph.uncertainty import load_uncertain, range_warnings

    output = _output(arguments, ".xyz")
    model = load_uncertain([arguments.model, *arguments.committee], choose_device(arguments.device))
    trained = training_section(read_header(arguments.model, "eval"), "data")
    given = label_keys(arguments)
    keys = {f"{name}_key": key or trained.get(f"{name}_key", name) for name, key in given.items()}
    asked = [["stress" if name == "virial" else name] for name, key in given.items() if key]
    frames = read_labelled([arguments.data], keys, ["energy", "forces"], *asked)
    stress = any(frame.atoms.cell.rank == 3 for frame in frames)
    dataset = AtomsDataset(frames, model.potential.cutoff)
    evaluation = evaluate(model, dataset, arguments.batch_size, stress, progress=True)
    console = make_console()
    console.print(error_table({arguments.data.stem: evaluation.errors}))
    if evaluation.calibrations:
        console.print(calibration_table({arguments.data.stem: evaluation.calibrations}))
    print_trust(console, model, range_warnings(model.trained_range, dataset, arguments.data.name))
    write_predictions(output, frames, evaluation)
    console.print(f"Predictions: {output}", soft_wrap=True, highlight=False, markup=False)
    return 0
