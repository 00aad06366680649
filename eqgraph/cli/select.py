"""`eqgraph select`"""

from __future__ import annotations

import argparse
from pathlib import Path

from .console import make_console
from .options import Help, add_committee, not_negative, positive
from .trust import print_trust

_EXAMPLES = """\
examples:
  eqgraph select pool.xyz -n 50 --model runs/first/model.eqg -o chosen.xyz
  eqgraph select md_1.xyz md_2.xyz -n 50 --committee runs/seeds --known train.xyz -o chosen.xyz
"""


def add_select(commands: argparse._SubParsersAction, common: argparse.ArgumentParser) -> None:
    """Its options."""
    select = commands.add_parser(
        "select",
        parents=[common],
        help="choose the structures that are most worth a label",
        description=_select.__doc__,
        epilog=_EXAMPLES,
        formatter_class=Help,
    )
    select.add_argument(
        "pool", type=Path, nargs="+", help="structures in any format that ASE reads; they need no labels"
    )
    select.add_argument("-n", "--number", type=positive, required=True, metavar="N", help="how many to choose")
    select.add_argument("--model", type=Path, metavar="FILE", help="model file that `eqgraph train` wrote (*.eqg)")
    add_committee(select)
    select.add_argument(
        "-o", "--output", type=Path, required=True, metavar="FILE", help="where to write the chosen structures (*.xyz)"
    )
    select.add_argument(
        "--known",
        type=Path,
        nargs="+",
        default=[],
        metavar="FILE",
        help="structures that have labels: not chosen again",
    )
    select.add_argument("--random", action="store_true", help="choose at random, the baseline to compare with")
    select.add_argument("--seed", type=not_negative, default=0, metavar="N", help="of the random choice (default 0)")
    select.add_argument(
        "--json", metavar="FILE", help="write what was chosen and why as JSON; - for standard output, without the table"
    )
    select.add_argument("--batch-size", type=positive, default=32, metavar="N", help="structures per step (default 32)")
    select.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:1 (default auto)")
    select.set_defaults(run=_select)


def _select(arguments: argparse.Namespace) -> int:
    """Choose structures that the model is uncertain of and that differ from each other, one after the other: each is the one that
    is the most uncertain when those before it are labelled. No structure is chosen twice."""
    _check(arguments)
    from eqgraph.datasets import AtomsDataset, write_frames
    from eqgraph.train import choose_device, read_labelled
    from eqgraph.train.potential.evaluate import require_known_species
    from eqgraph.uncertainty import (
        choose,
        choose_randomly,
        describe_pool,
        load_uncertain,
        mean_features,
        range_warnings,
        selection_json,
        selection_table,
    )

    model = load_uncertain([*filter(None, [arguments.model]), *arguments.committee], choose_device(arguments.device))
    species = model.potential.species.tolist()
    frames = read_labelled(arguments.pool, {})
    dataset = AtomsDataset(frames, model.potential.cutoff)
    require_known_species(dataset, species, "select")
    pool = describe_pool(model, dataset, arguments.batch_size)
    known = None
    if arguments.known:
        labelled = AtomsDataset(read_labelled(arguments.known, {}), model.potential.cutoff)
        require_known_species(labelled, species, "select --known")
        known = mean_features(model.potential, labelled, arguments.batch_size)
    if arguments.random:
        choices = choose_randomly(pool, arguments.number, arguments.seed, known)
    else:
        choices = choose(pool, arguments.number, known)
    if not choices:
        raise ValueError(
            f"Expected structures in {', '.join(map(str, arguments.pool))} that are not among --known, came none. Give another pool."
        )
    chosen = [frames[choice.row] for choice in choices]
    write_frames(arguments.output, chosen)
    text = selection_json(pool, frames, choices)
    if arguments.json == "-":
        print(text)
        return 0
    console = make_console()
    console.print(selection_table(pool, frames, choices).rich())
    print_trust(console, model, range_warnings(model.trained_range, dataset, "the pool"))
    if len(choices) < arguments.number:
        said = f"{len(choices)} of {arguments.number}: there are no more structures that differ"
        console.print(f"warning: chose {said}", style="yellow", highlight=False)
    if arguments.json is not None:
        from eqgraph.replacing import replacing

        with replacing(arguments.json) as temporary:
            temporary.write_text(text + "\n", encoding="utf-8")
    console.print(f"Chosen structures: {arguments.output}", soft_wrap=True, highlight=False, markup=False)
    return 0


def _check(arguments: argparse.Namespace) -> None:
    if arguments.model is None and not arguments.committee:
        raise ValueError("Expected --model or --committee, came neither. An example: --model runs/first/model.eqg")
    if arguments.json not in (None, "-") and Path(arguments.json).resolve() == Path(arguments.output).resolve():
        raise ValueError(f"Expected different files for --output and --json, came '{arguments.json}'. Choose another.")
    read = [*arguments.pool, *arguments.known, *filter(None, [arguments.model]), *arguments.committee]
    for name, path in (("--output", arguments.output), ("--json", arguments.json)):
        if path not in (None, "-") and any(Path(path).resolve() == each.resolve() for each in read):
            raise ValueError(
                f"Expected another file for {name} than those that are read, came '{path}'. Choose another name."
            )
