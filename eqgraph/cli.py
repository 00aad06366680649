"""The command line: `eqgraph check`, `eqgraph train`, `eqgraph eval`, `eqgraph prepare`."""

from __future__ import annotations

import argparse
import errno
import os
import signal
import sys
import traceback
from importlib.metadata import version
from pathlib import Path

from eqgraph.allocator import keep_freed_memory
from eqgraph.launch import launched
from eqgraph.replacing import replacing

# torch and Lightning are imported by the subcommands that need them: `eqgraph --help` answers at once


_CHECK_EXAMPLES = """\
example:
  eqgraph check train.xyz test.xyz --energy-key REF_energy --forces-key REF_forces --html check.html

exit code: 0 fine (there may be warnings), 1 errors in the data, 2 a file cannot be read
"""
_TRAIN_EXAMPLES = """\
examples:
  eqgraph train potential.yaml
  eqgraph train potential.yaml model.cutoff=6.0 training.output=runs/second training.max_time='1 h'
  eqgraph train --resume runs/second

potential.yaml says at least:
  data:
    train: my_structures.xyz
    energy_key: REF_energy
    forces_key: REF_forces
  training:
    output: runs/first
"""
_EVAL_EXAMPLES = """\
examples:
  eqgraph eval runs/first/model.eqg other.xyz --output predictions.xyz
  eqgraph eval runs/clouds/model.eqg my_clouds --split test
"""


_PREPARE_EXAMPLES = """\
example:
  eqgraph prepare data.xyz --output prepared --cutoff 5.0 --workers 4
  eqgraph train potential.yaml data.train=prepared model.cutoff=5.0
"""
_UNITS = {"energy": "eV", "forces": "eV/Å", "stress": "eV/Å³", "virial": "eV", "dipole": "e·Å"}


class _Help(argparse.RawDescriptionHelpFormatter):
    """Examples keep their lines; descriptions are wrapped all the same."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        if "example" in text.partition("\n")[0]:
            return super()._fill_text(text, width, indent)
        return argparse.HelpFormatter._fill_text(self, text, width, indent)


def main(argv: list[str] | None = None) -> int:
    """Run the command line; returns the exit code.

    0: done. 1: failed on the way (full disk, diverged training). 2: bad input. 130: Ctrl-C. 143: SIGTERM.
    """
    arguments = _parser().parse_args(argv)
    # Read when torch is imported. Threads that spin long while they wait slow a training down where other programs run on the same
    # cores, threads that never spin where none does: CONTRIBUTING.md has the numbers.
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", "1000")
    keep_freed_memory()
    try:
        return arguments.run(arguments)
    except KeyboardInterrupt as interrupt:
        print(str(interrupt) or "Interrupted.", file=sys.stderr)
        return 128 + getattr(interrupt, "signum", signal.SIGINT)
    except Exception as error:
        if arguments.debug:
            raise
        code = _exit_code(error)
        if code is None:  # a mistake of ours: the traceback is what we need to see
            raise
        lines = _text(error).splitlines() or [type(error).__name__]
        if _is_unexpected(error):
            lines[-1] += (
                f" ({type(error).__name__}; if this does not tell what is wrong, --debug shows where it comes from)"
            )
        for line in lines:
            print(f"error: {line}", file=sys.stderr)
        return code


_BAD_NAMES = (errno.ENAMETOOLONG, errno.EISDIR, errno.ELOOP, errno.EINVAL)


def _text(error: Exception) -> str:
    if isinstance(error, OSError) and error.errno in _BAD_NAMES:
        return f"Expected the name of a file, came '{error.filename}': {error.strerror.lower()}. Choose another."
    return str(error)


def _exit_code(error: Exception) -> int | None:
    if isinstance(error, FileNotFoundError | NotADirectoryError | ValueError | TypeError):
        return 2
    if isinstance(error, ImportError) and not isinstance(error, ModuleNotFoundError):
        return 2  # an optional package that the data need; the message says which
    if isinstance(error, OSError) and error.errno in _BAD_NAMES:
        return 2
    return 1 if isinstance(error, OSError | FloatingPointError) else None


def _is_unexpected(error: Exception) -> bool:
    """Whether an error that counts as bad input may be a mistake of ours: its message was not written for users."""
    if isinstance(error, TypeError):
        return True
    *_, (frame, _) = traceback.walk_tb(error.__traceback__)
    raised_here = frame.f_globals.get("__name__", "").partition(".")[0] == __package__
    return isinstance(error, ValueError) and not raised_here


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="eqgraph",
        description="E(3)-equivariant potentials and point-cloud classifiers.",
        epilog="example:\n  eqgraph train potential.yaml\n\n`eqgraph command --help` has examples of each command.",
        formatter_class=_Help,
    )
    parser.add_argument("--version", action="version", version=f"eqgraph {version('eqgraph')}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="command")

    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--debug", action="store_true", help="show the traceback of an error")

    check = commands.add_parser(
        "check",
        parents=[common],
        help="look for mistakes in structures and labels before training on them",
        description=_check.__doc__,
        epilog=_CHECK_EXAMPLES,
        formatter_class=_Help,
    )
    check.add_argument(
        "data", type=Path, nargs="+", help="structures in any format that ASE reads; the first is what one trains on"
    )
    check.add_argument(
        "--cutoff", type=float, default=5.0, metavar="Å", help="distance up to which atoms are neighbors (default 5)"
    )
    for name, unit in _UNITS.items():
        check.add_argument(
            f"--{name}-key", default=name, metavar="KEY", help=f"name of the {name} label, {unit} (default {name})"
        )
    check.add_argument(
        "--json", metavar="FILE", help="write the findings as JSON; - for standard output, without the table"
    )
    check.add_argument("--html", type=Path, metavar="FILE", help="write the findings with histograms as one HTML page")
    check.set_defaults(run=_check)

    train = commands.add_parser(
        "train",
        parents=[common],
        help="train a potential or a classifier",
        description=_train.__doc__,
        usage="eqgraph train config.yaml [section.key=value ...]\n"
        "       eqgraph train --resume RUN [--allow-changes] [section.key=value ...]",
        epilog=_TRAIN_EXAMPLES,
        formatter_class=_Help,
    )
    train.add_argument("config", nargs="?", help="YAML file; left out with --resume")
    train.add_argument(
        "overrides",
        nargs="*",
        metavar="section.key=value",
        help="replaces what the file says, e.g. training.max_time='4 min'",
    )
    train.add_argument(
        "--resume",
        type=Path,
        metavar="RUN",
        help="go on with the run in this directory, with its own config.yaml: as if it had never stopped",
    )
    train.add_argument(
        "--allow-changes",
        action="store_true",
        help="resume although the config or the data of the run have changed",
    )
    train.set_defaults(run=_train)

    evaluate = commands.add_parser(
        "eval",
        parents=[common],
        help="errors of a model on labelled structures or clouds",
        description=_eval.__doc__,
        epilog=_EVAL_EXAMPLES,
        formatter_class=_Help,
    )
    evaluate.add_argument("model", type=Path, help="model file that `eqgraph train` wrote (*.eqg)")
    evaluate.add_argument("data", type=Path, help="structures in any format that ASE reads, or point clouds")
    evaluate.add_argument(
        "--output",
        type=Path,
        metavar="FILE",
        help="where to write the structures with pred_energy and pred_forces, or the predicted classes (predictions_DATA.xyz or "
        ".csv in the working directory)",
    )
    evaluate.add_argument(
        "--batch-size", type=_positive, default=32, metavar="N", help="structures or clouds per step (default 32)"
    )
    evaluate.add_argument(
        "--split", help="which clouds of a folder that has splits: train, valid or test (default test)"
    )
    evaluate.add_argument("--energy-key", metavar="KEY", help="name of the energy label, eV (that of the training)")
    evaluate.add_argument("--forces-key", metavar="KEY", help="name of the forces label, eV/Å (that of the training)")
    evaluate.add_argument("--stress-key", metavar="KEY", help="name of the stress label, eV/Å³ (that of the training)")
    evaluate.add_argument("--virial-key", metavar="KEY", help="name of the virial label, eV (that of the training)")
    evaluate.add_argument("--dipole-key", metavar="KEY", help="name of the dipole label, e·Å (that of the training)")
    evaluate.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:1 (default auto)")
    evaluate.set_defaults(run=_eval)
    prepare = commands.add_parser(
        "prepare",
        parents=[common],
        help="convert structures to graphs on disk, for data sets larger than memory",
        description=_prepare.__doc__,
        epilog=_PREPARE_EXAMPLES,
        formatter_class=_Help,
    )
    prepare.add_argument("data", type=Path, nargs="+", help="structures in any format that ASE reads")
    prepare.add_argument(
        "--output",
        type=Path,
        required=True,
        metavar="FOLDER",
        help="folder for the graphs; it appears when it is complete",
    )
    prepare.add_argument(
        "--cutoff",
        type=float,
        default=5.0,
        metavar="Å",
        help="distance up to which atoms are neighbors, the largest model.cutoff that the folder serves (default 5.0)",
    )
    for name, unit in _UNITS.items():
        prepare.add_argument(
            f"--{name}-key", default=name, metavar="KEY", help=f"name of the {name} label, {unit} (default {name})"
        )
    prepare.add_argument(
        "--workers", type=_not_negative, default=0, metavar="N", help="processes beside the one that writes (default 0)"
    )
    prepare.set_defaults(run=_prepare)
    return parser


def _not_negative(text: str) -> int:
    number = int(text)
    if number < 0:
        raise argparse.ArgumentTypeError(f"expected a whole number, 0 or above, came {text}")
    return number


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number above 0, came {text}")
    return number


def _check(arguments: argparse.Namespace) -> int:
    """Look for what makes trainings fail or learn the wrong thing: missing labels, wrong units and signs, duplicates, close atoms."""
    from eqgraph.check import check_files, findings_table, write_check_page
    from eqgraph.check.progress import CheckProgress

    for output in (arguments.json, arguments.html):
        if output is not None and any(Path(output).resolve() == path.resolve() for path in arguments.data):
            raise ValueError(
                f"Expected another file for the report than the data, came '{output}'. Choose another name."
            )
    keys = {name: getattr(arguments, f"{name}_key") for name in _UNITS}
    with CheckProgress() as progress:
        report, data = check_files(arguments.data, keys, arguments.cutoff, progress.step)
    if arguments.json == "-":
        print(report.json())
    else:
        console = _console()
        console.print(findings_table(report))
    if arguments.json not in (None, "-"):
        with replacing(arguments.json) as temporary:
            temporary.write_text(report.json() + "\n", encoding="utf-8")
    if arguments.html is not None:
        write_check_page(arguments.html, report, data)
        if arguments.json != "-":
            console.print(f"Report: {arguments.html}", soft_wrap=True, highlight=False)
    return report.exit_code


def _train(arguments: argparse.Namespace) -> int:
    """Train a potential or a classifier of point clouds as a YAML file says; writes the model, tables and plots to training.output."""
    given = [*filter(None, [arguments.config]), *arguments.overrides]
    if arguments.resume is None and (not given or arguments.allow_changes):
        what = "--allow-changes alone" if given else "neither"
        raise ValueError(f"Expected a YAML file or --resume RUN, came {what}. An example: eqgraph train config.yaml")
    from eqgraph.train import fit, load_config, resume

    if arguments.resume is not None:
        resume(arguments.resume, given, arguments.allow_changes, _console())
    else:
        fit(load_config(given[0], given[1:]), _console())
    return 0


def _eval(arguments: argparse.Namespace) -> int:
    """Of a potential: print errors of energy, forces (total and per element) and stress. Of a classifier: accuracy and confusions."""
    from eqgraph.models import read_header

    kind = read_header(arguments.model, "eval")["format"]
    keys = ("energy_key", "forces_key", "stress_key", "virial_key", "dipole_key")
    others = keys if kind.startswith("eqgraph-points") else ("split",)
    for name in others:
        if getattr(arguments, name) is not None:
            option = "--" + name.replace("_", "-")
            raise ValueError(f"Expected options of a model of the kind {kind}, came {option}. Leave {option} out.")
    return (_eval_points if kind.startswith("eqgraph-points") else _eval_potential)(arguments)


def _output(arguments: argparse.Namespace, suffix: str) -> Path:
    """Where the predictions go; not where the data are."""
    output = arguments.output or Path(f"predictions_{arguments.data.stem}{suffix}")
    if output.resolve() == arguments.data.resolve():
        raise ValueError(
            f"Expected another file for --output than the data, came '{output}' for both. Choose another name."
        )
    return output


def _eval_points(arguments: argparse.Namespace) -> int:
    from eqgraph.train import choose_device, evaluate_points_file, evaluation_tables, write_class_predictions

    output, device = _output(arguments, ".csv"), choose_device(arguments.device)
    evaluation = evaluate_points_file(arguments.model, arguments.data, arguments.split, arguments.batch_size, device)
    console = _console()
    for table in evaluation_tables(evaluation.scores, evaluation.classes, arguments.data.stem):
        console.print(table.rich())
    write_class_predictions(output, evaluation)
    console.print(f"Predictions: {output}", soft_wrap=True, highlight=False, markup=False)
    return 0


def _eval_potential(arguments: argparse.Namespace) -> int:
    from eqgraph.datasets import AtomsDataset
    from eqgraph.models import load_potential, training_section
    from eqgraph.train import choose_device, error_table, evaluate, read_labelled, write_predictions

    output = _output(arguments, ".xyz")
    potential, header = load_potential(arguments.model, choose_device(arguments.device))
    trained = training_section(header, "data")
    given = {name: getattr(arguments, f"{name}_key") for name in ("energy", "forces", "stress", "virial", "dipole")}
    keys = {f"{name}_key": key or trained.get(f"{name}_key", name) for name, key in given.items()}
    asked = [["stress" if name == "virial" else name] for name, key in given.items() if key]
    frames = read_labelled([arguments.data], keys, ["energy", "forces"], *asked)
    stress = any(frame.atoms.cell.rank == 3 for frame in frames)
    evaluation = evaluate(
        potential, AtomsDataset(frames, potential.cutoff), arguments.batch_size, stress, progress=True
    )
    console = _console()
    console.print(error_table({arguments.data.stem: evaluation.errors}))
    write_predictions(output, frames, evaluation)
    console.print(f"Predictions: {output}", soft_wrap=True, highlight=False, markup=False)
    return 0


def _prepare(arguments: argparse.Namespace) -> int:
    """Write the graphs of structures, with labels and statistics, to a folder that `eqgraph train` reads a graph at a time.

    Interrupted, it goes on where it stopped when it is called again for the same files."""
    from ase.data import chemical_symbols

    from eqgraph.datasets import LABELS, prepare

    keys = {f"{name}_key": getattr(arguments, f"{name}_key") for name in _UNITS}
    graphs = prepare(arguments.data, arguments.output, arguments.cutoff, keys, arguments.workers)
    table = graphs.table
    labels = ", ".join(f"{name} {count}" for name in LABELS if (count := table.num_labels(name))) or "none"
    size = sum(file.stat().st_size for file in arguments.output.iterdir()) / 1e6
    for line in (
        f"{len(table)} structures, {int(table.is_isolated.sum())} of them isolated atoms",
        f"Labels: {labels}",
        f"Elements: {', '.join(chemical_symbols[number] for number in table.species)}",
        f"Neighbors: {table.avg_num_neighbors:.1f} on average within {graphs.cutoff:g} Å",
        f"Graphs: {arguments.output} ({size:.1f} MB)",
    ):
        _console().print(line, soft_wrap=True, highlight=False)
    return 0


def _console():
    from rich.console import Console

    console = Console(quiet=not launched().is_first)
    if not console.is_terminal:
        console.width = 120  # a log file has no width: tables need not wrap at 80
    return console


if __name__ == "__main__":
    sys.exit(main())
