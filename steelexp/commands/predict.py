"""The command `predict`: masks, overlays and a table of defects for images."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import get_args

import yaml
from rich.table import Table

from steelexp.command_line import command_line, program
from steelexp.commands.arguments import positive, white_level
from steelexp.commands.ensemble import asked_ensemble, ensemble_lines, results_of_ensemble
from steelexp.commands.outcome import DONE, FAILED
from steelexp.commands.own_folder import set_aside
from steelexp.commands.show import one_run
from steelexp.data.class_sets import MOST_CLASSES_IN_A_BYTE
from steelexp.ensemble import Ensemble, ensemble_predictor
from steelexp.errors import UserError, explain_write_errors
from steelexp.file_names import check_folder
from steelexp.inference.image_files import ImageFile, image_files
from steelexp.inference.labels import FOLDER as LABELS
from steelexp.inference.labels import FORMS as LABEL_FORMS
from steelexp.inference.openvino_runtime import Precision, openvino_predictor
from steelexp.inference.predict import GRID, predict
from steelexp.inference.predictor import Predictor, onnx_predictor
from steelexp.inference.results_folder import default_folder, input_paths
from steelexp.inference.tables import DEFECTS, ERRORS, SUBMISSION, Summary
from steelexp.progress import say, show
from steelexp.records.exports import export_path
from steelexp.records.model_card import ModelCard
from steelexp.records.postprocessing import describe_postprocessing
from steelexp.records.prediction_settings import FILE as SETTINGS
from steelexp.records.store import RunFolder
from steelexp.run_model import load_predictor
from steelexp.spreadsheet import formula_lines
from steelexp.training.runtime import keep_memory

EPILOG = """\
examples:
  {program} predict runs/quickstart/<digest> images/ --mm-per-pixel 0.4
  {program} predict runs/b4_dice/<digest> 'line1/*.jpg' line2/0001.png --out today
  {program} predict runs/b4_dice/folds-<digest> images/     (mean of all folds)
  {program} predict exports/model.onnx images/        (without TensorFlow)

A stopped job goes on when the same command is typed again. Exit code 1: some images could not be
predicted; errors.csv says which and why.
"""


def add(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.epilog = EPILOG.format(program=program())
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.set_defaults(act=run_predict, inputs=("paths",))
    parser.add_argument(
        "run", type=Path, metavar="RUN|FOLDS", help="run folder, .onnx file, or a folder of folds"
    )
    parser.add_argument(
        "paths", nargs="+", metavar="PATH", help="images, folders of images, 'globs/*.jpg'"
    )
    parser.add_argument(
        "--with",
        dest="others",
        nargs="+",
        type=Path,
        default=[],
        metavar="RUN",
        help="predict with an ensemble: the mean of the scores of RUN and these runs",
    )
    parser.add_argument(
        "--out",
        type=Path,
        help="folder of the results (default: RUN/predictions/NAME, or NAME-HASH if NAME has the "
        "results of other paths)",
    )
    parser.add_argument(
        "--mm-per-pixel",
        type=positive,
        metavar="MM",
        help="width of a pixel in millimetres; the tables get millimetres as well",
    )
    parser.add_argument(
        "--runtime",
        choices=("tensorflow", "onnx", "openvino"),
        help="library that runs the network; onnx and openvino need `export` first (default: "
        "TensorFlow for a run folder, ONNX Runtime for a file)",
    )
    parser.add_argument(
        "--precision",
        choices=get_args(Precision),
        help="arithmetic of --runtime openvino: float32 is exact, bfloat16 is faster on processors "
        "with AMX or AVX512_BF16 (default: float32)",
    )
    parser.add_argument(
        "--labels",
        action="append",
        choices=LABEL_FORMS,
        default=[],
        help="write images and masks for an annotation tool as well, into OUT/labels/FORM; may be "
        "given again",
    )
    parser.add_argument(
        "--white",
        type=white_level,
        metavar="VALUE",
        help="value that is white in images of more than 8 bits, such as 4095 for 12 bits "
        "(default: the run's)",
    )
    parser.add_argument("--no-overlays", action="store_true", help="write no overlays")
    parser.add_argument(
        "--fresh", action="store_true", help="begin anew; earlier results are kept aside"
    )


def run_predict(args: argparse.Namespace) -> int:
    """Predict, then print a summary of the defects and where the results are."""
    images = image_files(args.paths)
    ensemble = asked_ensemble(args.run, args.others)
    if ensemble is None:
        file, folder = _model(args)
        results = folder / "predictions"
    else:
        _check_ensemble(args)
        file = None
        results = results_of_ensemble(args.run, ensemble) / "predictions"
    out = args.out or default_folder(results, args.paths, images)
    check_folder(out, "--out")
    images = _outside(images, out)
    with explain_write_errors(out, "choose another folder with --out"):
        summary = _predicted(args, images, file, out, ensemble)
    show(_table(summary, args.mm_per_pixel))
    for line in _closing_lines(summary, out, overlays=not args.no_overlays):
        say(line)
    for form in dict.fromkeys(args.labels):
        say(_correction_line(out / LABELS / form, list(summary.classes)))
    return FAILED if summary.errors else DONE


def _predicted(
    args: argparse.Namespace,
    images: Sequence[ImageFile],
    file: Path | None,
    out: Path,
    ensemble: Ensemble | None,
) -> Summary:
    if args.fresh and (aside := set_aside(out, SETTINGS, "a prediction")):
        say(f"The earlier results are kept as {aside}")
    predictor = _load(args, file) if ensemble is None else ensemble_predictor(ensemble)
    if file is not None and file != args.run:
        _check_export(predictor, file, one_run(args.run))
    if args.white is not None:
        card = predictor.card.model_copy(update={"white": args.white})
        predictor = predictor._replace(card=card)
    lines = _model_lines(predictor, len(images))
    say(*(lines if ensemble is None else [lines[0], *ensemble_lines(ensemble)]))
    return predict(
        predictor,
        images,
        out,
        overlays=not args.no_overlays,
        mm_per_pixel=args.mm_per_pixel,
        labels=tuple(dict.fromkeys(args.labels)),
        paths=input_paths(args.paths),
    )


def _check_ensemble(args: argparse.Namespace) -> None:
    for option in ("runtime", "precision"):
        if (value := getattr(args, option)) not in (None, "tensorflow"):
            raise UserError(
                f"--{option} {value}: an ensemble is run by TensorFlow; leave it out, or predict "
                "with one run"
            )


def _load(args: argparse.Namespace, file: Path | None) -> Predictor:
    """The network in the runtime that the user chose."""
    keep_memory()  # faulting in large blocks anew for each image takes a third of the own work
    if args.precision is not None and args.runtime != "openvino":
        raise UserError(
            f"--precision {args.precision}: only OpenVINO has this setting, others compute as the "
            "network was trained or exported; add --runtime openvino"
        )
    if file is None:
        return load_predictor(one_run(args.run))
    if args.runtime == "openvino":
        return openvino_predictor(file, precision=args.precision or "float32")
    return onnx_predictor(file)


def _outside(images: Sequence[ImageFile], out: Path) -> list[ImageFile]:
    """The images that do not lie in the folder of the results; a line says what is left out.

    Raises:
        UserError: All of them lie there.
    """
    place = out.resolve()
    outside = [image for image in images if not image.path.parent.resolve().is_relative_to(place)]
    if not outside:
        raise UserError(f"{out}: the images lie in the folder of the results; name another --out")
    if inside := len(images) - len(outside):
        say(f"{out}: the folder of the results; {inside} images in it are left out")
    return outside


def _model(args: argparse.Namespace) -> tuple[Path | None, Path]:
    """The .onnx file (None: TensorFlow runs the network), and the folder that gets the results."""
    if args.run.suffix == ".onnx":
        if args.runtime == "tensorflow":
            raise UserError(f"--runtime tensorflow: {args.run} is for onnx; name its run folder")
        return args.run, args.run.parent
    folder = one_run(args.run).path
    from_export = args.runtime in ("onnx", "openvino")
    return (export_path(folder, "onnx") if from_export else None), folder


def _check_export(predictor: Predictor, file: Path, folder: RunFolder) -> None:
    """Check that an exported network is the run's.

    Raises:
        UserError: It is of another run, or the run has been trained again since.
    """
    record = folder.record
    if record is not None and predictor.card.digest != record.digest:
        raise UserError(
            f"{file}: exported from another run, {predictor.card.name} {predictor.card.digest}; "
            f"export this one: {command_line('export', folder.path)}"
        )
    if record is not None and predictor.card.weights != record.weights:
        raise UserError(
            f"{file}: exported from other weights than the run's now; export it again: "
            f"{command_line('export', folder.path)}"
        )


def _model_lines(predictor: Predictor, images: int) -> list[str]:
    card = predictor.card
    reduced = "" if predictor.precision == "float32" else f" in {predictor.precision}"
    return [
        f"{card.name} {card.digest} on {images} images, by {predictor.runtime}{reduced}",
        _rules(card),
    ]


def _rules(card: ModelCard) -> str:
    if card.postprocessing_metric is None:
        shared = next(iter(card.classes.values())).threshold
        return (
            f"The run has no tuned post-processing: score threshold {shared:g} for every class "
            "(a split with a test part, such as grouped, tunes one)"
        )
    return describe_postprocessing(card.postprocessing_metric, card.classes)


def _table(summary: Summary, mm_per_pixel: float | None) -> Table:
    unit, scale = ("px", 1.0) if mm_per_pixel is None else ("mm", mm_per_pixel)
    table = Table(title="Defects", title_justify="left", title_style="bold")
    table.add_column("class", overflow="fold")
    for head in ("images", "defects", f"area {unit}²", f"longest {unit}"):
        table.add_column(head, justify="right")
    for label, totals in summary.classes.items():
        area = f"{totals.area * scale**2:,.0f}"
        longest = f"{totals.longest * scale:,.1f}"
        figures = (f"{totals.images:,}", f"{totals.defects:,}", area, longest)
        table.add_row(label, *figures)
    table.add_section()
    defective = summary.images - summary.clean
    table.add_row("any", f"{defective:,} of {summary.images:,}", "", "", "", style="bold")
    return table


def _closing_lines(summary: Summary, out: Path, *, overlays: bool) -> list[str]:
    lines = []
    broken = len(summary.errors)
    if summary.errors:
        path, reason = summary.errors[0]
        lines.append(
            f"{broken} of {broken + summary.images} images could not be predicted, listed in "
            f"{out / ERRORS}; the first: {path}: {reason}"
        )
    look = f"look at {out / GRID}, then open" if overlays and summary.images else "open"
    lines.append(
        f"Results in {out}: {look} {out / DEFECTS}; masks/ has the pixels, {SUBMISSION} is for "
        "Kaggle"
    )
    return [*lines, *formula_lines(out / SUBMISSION, summary.formulas)]


def _correction_line(folder: Path, classes: list[str]) -> str:
    words: list[str | Path] = [folder]
    if folder.name == "mask_folder":  # masks do not name their classes
        names = yaml.safe_dump(classes, default_flow_style=True, width=10**6).strip()
        words += ["--source", "mask_folder", f"classes={names}"]
        words += ["overlaps=true"] if len(classes) <= MOST_CLASSES_IN_A_BYTE else []
    command = command_line("data", "add", *words, "--to", "ROOT")
    return f"Correct the labels in {folder}; then add them to the data set ROOT: {command}"
