"""Processor time of `predict` outside the network, for each strip, and its memory.

    steelexp data generate data/work --strips 24 --seed 5 --rarity 0
    python -m benchmarks.predict_work data/work
    python -m benchmarks.predict_work data/work --memory

The network is replaced by scores that are there already: those of the labels, blurred, with a
smooth background of up to 0.2. They are in planes, one for each class, as TensorFlow and OpenVINO
give them, or with the classes of a pixel side by side (`--pixelwise`), as ONNX Runtime does.
Reading, decoding, post-processing, mask, overlay, tables and journal are the command's own. The
time is that of all threads, in user and system mode; it is a slope, of jobs of two lengths, so that
what a job needs once does not count. Jobs with and without overlays take turns.

`--memory` prints the resident memory of one job of 5,000 images after every 500 of them.
"""

import argparse
import itertools
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np

from steelexp.data.severstal import severstal
from steelexp.inference.image_files import image_files
from steelexp.inference.predict import predict
from steelexp.inference.predictor import Predictor
from steelexp.inference.scoring import NetworkScores
from steelexp.records.model_card import ModelCard
from steelexp.records.postprocessing import ClassRules
from steelexp.training.runtime import keep_memory

RULES = ClassRules(threshold=0.5, min_component=100, min_area=400, min_peak_score=0.6)


def scores_of(bits, classes, rng):
    """Scores like a network's: labels with soft rims above a smooth background, [C, H, W]."""
    planes = []
    for c in range(classes):
        label = (bits >> c & 1).astype(np.float32)
        coarse = rng.uniform(0, 0.2, (bits.shape[0] // 16, bits.shape[1] // 16)).astype(np.float32)
        background = cv2.resize(coarse, bits.shape[::-1], interpolation=cv2.INTER_CUBIC)
        blurred = cv2.GaussianBlur(label, (0, 0), 4)
        planes.append(np.clip(0.97 * blurred + background * (1 - blurred), 1e-6, 1))
    return np.stack(planes)


def key_of(grey):
    """What tells the strips apart, for next to no time."""
    return grey.reshape(-1)[::997].tobytes()


def stored_predictor(dataset, *, pixelwise):
    """A predictor that knows the scores of each strip."""
    keep_memory()  # as the command does
    rng = np.random.default_rng(0)
    stored = {}
    for row in range(len(dataset.names)):
        planes = scores_of(dataset.mask(row), len(dataset.classes), rng)
        scores = np.moveaxis(planes, 0, -1)[None]
        stored[key_of(dataset.image(row))] = np.ascontiguousarray(scores) if pixelwise else scores
    card = ModelCard(
        name="stored",
        digest="0a1b2c3d",
        classes=dict.fromkeys(dataset.classes, RULES),
        postprocessing_metric="dice_kaggle",
        training_tiles={},
    )
    return Predictor(card, "stored", lambda grey: NetworkScores(stored[key_of(grey)]))


def copies(paths, count, folder):
    """A folder of so many images, which are copies of these."""
    folder.mkdir()
    for number in range(count):
        source = paths[number % len(paths)]
        shutil.copyfile(source, folder / f"{number:05d}{source.suffix}")
    return image_files([str(folder)])


def job(predictor, images, folder, **settings):
    """Seconds of the processor that a job takes."""
    out = folder / "out"
    started = time.process_time()
    predict(predictor, images, out, **settings)
    seconds = time.process_time() - started
    shutil.rmtree(out)
    return seconds


def work(args, dataset):
    """Print milliseconds a strip, without and with overlays."""
    predictor = stored_predictor(dataset, pixelwise=args.pixelwise)
    milliseconds = {False: [], True: []}
    with tempfile.TemporaryDirectory(dir=args.folder) as name:
        folder = Path(name)
        short = copies(dataset.paths, args.strips, folder / "short")
        long = copies(dataset.paths, 3 * args.strips, folder / "long")
        job(predictor, short, folder)
        for _ in range(args.rounds):
            for overlays, values in milliseconds.items():
                seconds = job(predictor, long, folder, overlays=overlays)
                seconds -= job(predictor, short, folder, overlays=overlays)
                values.append(1000 * seconds / (len(long) - len(short)))
    for overlays, values in milliseconds.items():
        print(
            f"{'with' if overlays else 'without'} overlays: {statistics.median(values):.2f} ms of "
            f"CPU a strip, from {min(values):.2f} to {max(values):.2f} in {args.rounds} rounds"
        )


MEMORY = """
import sys
from pathlib import Path
from benchmarks import predict_work
predict_work.grow(Path(sys.argv[1]), sys.argv[2] == "True")
"""


def grow(folder, pixelwise):
    """Predict a folder of copies and print the memory of this process after every 500."""
    dataset = severstal(root=str(folder / "root"))
    predictor = stored_predictor(dataset, pixelwise=pixelwise)
    images = image_files([str(folder / "images")])
    done = itertools.count(1)

    def score(grey):
        number = next(done)
        if number % 500 == 0 or number == 100:
            print(f"{number} images: {resident():.0f} MiB", flush=True)
        return predictor.score(grey)

    predict(predictor._replace(score=score), images, folder / "out")
    print(f"at the end, tables and grid written: {resident():.0f} MiB")


def resident():
    """Resident memory of this process in MiB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 2**20


def memory(args, root):
    """Print the memory of a long job, in a process of its own."""
    with tempfile.TemporaryDirectory(dir=args.folder) as name:
        folder = Path(name)
        (folder / "root").symlink_to(root.resolve())
        copies(severstal(root=str(root)).paths, 5000, folder / "images")
        words = [sys.executable, "-c", MEMORY, name, str(args.pixelwise)]
        subprocess.run(words, check=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("root", type=Path, help="data set in Severstal's layout")
    parser.add_argument("--strips", type=int, default=40, help="images of the shorter job")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--pixelwise", action="store_true")
    parser.add_argument("--memory", action="store_true")
    parser.add_argument("--folder", type=Path, help="folder of the temporary files")
    arguments = parser.parse_args()
    if arguments.memory:
        memory(arguments, arguments.root)
    else:
        work(arguments, severstal(root=str(arguments.root)))
