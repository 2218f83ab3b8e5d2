"""Averaged weights with statistics of their own: `python -m benchmarks.diagnosis.averages`.

Measures the test accuracy of the raw weights, of the raw weights after `tfbn.recalibrate`, of their
averages as Keras leaves them, and of the averages after `tfbn.AveragedStatistics`. Writes
`averages.json`; seeds that are there already are left out. Each takes one or two minutes of CPU.

What was fixed before the runs:

- `constant`: EfficientNet-Lite0 with ImageNet's weights, fine-tuned on 320 pictures of clothes (Debian's
  package `dataset-fashion-mnist`) at a constant learning rate. Of the first five seeds, the averages
  differed from the raw weights by -0.2 [-1.5, 1.0] points: too wide an interval to tell half a point. So
  the number was raised to 25 before any other seed ran.
- `cosine`: the same with a learning rate that falls to 0, as those who average weights usually train.
  Averages of the last steps trail behind weights that still improve, whatever the statistics; with a
  rate that falls they should not. Five seeds, no more whatever they show.
- `digits`: a ResNet-8 from random weights on UCI's digits, at a constant rate, five seeds.
"""

import dataclasses
from pathlib import Path
from typing import Any

import keras
import numpy as np
from absl import app, flags

import tfbn
from benchmarks.diagnosis.rows import complete
from experiments.training.data import Split, target_split
from experiments.training.pools import Source

STORED = Path(__file__).parent / "averages.json"


@dataclasses.dataclass(frozen=True)
class Recipe:
    """A training whose weights are averaged."""

    dataset: str
    size: int
    train: int
    test: int
    batch: int
    epochs: int
    rate: float
    average: float  # momentum of the weights' averages
    seeds: int
    falls: bool = False  # whether the learning rate falls to 0

    @property
    def optimizer(self) -> keras.optimizers.Optimizer:
        steps = self.epochs * -(-self.train // self.batch)
        rate = keras.optimizers.schedules.CosineDecay(self.rate, steps) if self.falls else self.rate
        return keras.optimizers.Adam(rate, use_ema=True, ema_momentum=self.average)


CLOTHES = Recipe("debian_fashion_mnist", 64, 320, 2000, 16, 4, 3e-4, 0.9, seeds=25)
RECIPES = {
    "constant": CLOTHES,
    "cosine": dataclasses.replace(CLOTHES, falls=True, seeds=5),
    "digits": Recipe("uci_digits", 28, 900, 800, 32, 8, 3e-3, 0.99, seeds=5),
}


class BeforeTheSwap(keras.callbacks.Callback):
    """Accuracy of the raw weights after the last epoch, before `fit` replaces them by averages.

    Before `AveragedStatistics` in the list, it also sees the averages with the raw statistics when
    `fit` ends.
    """

    def __init__(self, split: Split, epochs: int):
        super().__init__()
        self.split, self.epochs = split, epochs
        self.found: dict[str, float] = {}

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        if epoch < self.epochs - 1:
            return
        self.found["raw"] = accuracy(self.model, self.split)
        before = [np.array(each) for each in self.model.non_trainable_variables]
        tfbn.recalibrate(self.model, self.split.train_x, batch_size=64)
        self.found["raw_recalibrated"] = accuracy(self.model, self.split)
        for variable, value in zip(self.model.non_trainable_variables, before, strict=True):
            variable.assign(value)

    def on_train_end(self, logs: Any = None) -> None:
        self.found["averaged_as_keras"] = accuracy(self.model, self.split)


def accuracy(model: Any, split: Split) -> float:
    """On the test images, in percent."""
    parts = [split.test_x[i : i + 100] for i in range(0, len(split.test_x), 100)]
    predicted = np.concatenate([np.asarray(model.predict_on_batch(x)).argmax(1) for x in parts])
    return 100 * float(np.mean(predicted == split.test_y))


def network(recipe: Recipe, classes: int) -> Any:
    """EfficientNet-Lite0 with ImageNet's weights and a new head, or a new ResNet-8."""
    shape = (recipe.size, recipe.size)
    if recipe.dataset == "uci_digits":
        return tfbn.models.build("resnet8", input_shape=(*shape, 1), classes=classes, width=8)
    base = tfbn.models.pretrained(
        "EfficientNetLite0", include_top=False, pooling="avg", input_shape=(*shape, 3), momentum=0.9
    )
    return keras.Model(base.input, keras.layers.Dense(classes, "softmax")(base.output))


def measure(name: str, seed: int) -> dict[str, Any]:
    """One training, with the accuracy of raw and of averaged weights."""
    recipe = RECIPES[name]
    keras.utils.set_random_seed(seed)
    gray = recipe.dataset == "uci_digits"
    source = Source(recipe.dataset, "", (recipe.size, recipe.size, 1 if gray else 3), border=0)
    split = target_split(source, recipe.train, recipe.test, "none", seed)
    if not gray:
        split = split.changed(lambda x: 255 * x)
    model = network(recipe, split.classes)
    model.compile(recipe.optimizer, "sparse_categorical_crossentropy", jit_compile=False)
    before = BeforeTheSwap(split, recipe.epochs)
    callbacks = [before, tfbn.AveragedStatistics(split.train_x, batch_size=64)]
    fit = {"batch_size": recipe.batch, "epochs": recipe.epochs, "verbose": 0, "callbacks": callbacks}
    model.fit(split.train_x, split.train_y, **fit)
    return before.found | {"averaged": accuracy(model, split)}


def main(argv: list[str]) -> None:
    del argv
    keys = [(name, seed) for name, recipe in RECIPES.items() for seed in range(recipe.seeds)]
    complete(STORED, ("recipe", "seed"), keys, measure, _MINUTES.value)


if __name__ == "__main__":
    _MINUTES = flags.DEFINE_float("minutes", None, "Start no training after this time.", lower_bound=0.0)
    app.run(main)
