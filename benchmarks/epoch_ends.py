"""How long `fit` takes to return after the last step of an epoch.

    python benchmarks/epoch_ends.py --runs FOLDER SPEC [key=value ...]

Runs the spec and prints, for each epoch, the seconds from the last `on_train_batch_end` to the
return of `fit`: median, largest and how many are above 1 s. A thread of tf.data that `fit` waits
for shows up here and nowhere else.
"""

import statistics
import sys
import time

from steelexp.__main__ import main as steelexp
from steelexp.lazy import keras


class LastStep(keras.callbacks.Callback):
    """The time at which the last step ended."""

    _supports_tf_logs = True

    def on_train_batch_end(self, batch, logs=None):
        """Remember the time."""
        self.time = time.perf_counter()


def measure_fit(delays: list[float]) -> None:
    """Let every call of `fit` append the seconds that it needs after its last step."""
    original = keras.Model.fit

    def fit(self, *args, callbacks, **settings):
        last = LastStep()
        history = original(self, *args, callbacks=[*callbacks, last], **settings)
        delays.append(time.perf_counter() - last.time)
        return history

    keras.Model.fit = fit


def main() -> None:
    """Run the spec and print the delays."""
    delays: list[float] = []
    measure_fit(delays)
    steelexp(["run", *sys.argv[1:]])
    above = sum(delay > 1 for delay in delays)
    print(
        f"{len(delays)} epochs: median {statistics.median(delays):.4f} s, "
        f"largest {max(delays):.4f} s, {above} above 1 s"
    )
    print("seconds:", " ".join(f"{delay:.3f}" for delay in delays))


if __name__ == "__main__":
    main()
