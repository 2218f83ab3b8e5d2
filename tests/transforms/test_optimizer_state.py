"""What joins an optimizer starts as in a fresh one; what was there goes on. Every optimizer of Keras."""

import keras
import pytest

from tests.transforms.late_start import BEFORE, RATE, Shifted, check, disturbed, expected

optimizers = keras.optimizers
SCALE = 4.0

OPTIMIZERS = {
    "sgd": lambda **k: optimizers.SGD(**k),
    "momentum": lambda **k: optimizers.SGD(momentum=0.9, **k),
    "nesterov": lambda **k: optimizers.SGD(momentum=0.9, nesterov=True, **k),
    "rmsprop": lambda **k: optimizers.RMSprop(**k),
    "rmsprop_centered": lambda **k: optimizers.RMSprop(momentum=0.5, centered=True, **k),
    "adam": lambda **k: optimizers.Adam(**k),
    "amsgrad": lambda **k: optimizers.Adam(amsgrad=True, **k),
    "adamw": lambda **k: optimizers.AdamW(weight_decay=0.1, **k),
    "nadam": lambda **k: optimizers.Nadam(**k),
    "adamax": lambda **k: optimizers.Adamax(**k),
    "adagrad": lambda **k: optimizers.Adagrad(**k),
    "adadelta": lambda **k: optimizers.Adadelta(**k),
    "adafactor": lambda **k: optimizers.Adafactor(**k),
    "ftrl": lambda **k: optimizers.Ftrl(l1_regularization_strength=0.01, **k),
    "lion": lambda **k: optimizers.Lion(**k),
}
for name, make in {
    "lamb": lambda **k: optimizers.Lamb(**k),
    "muon": lambda **k: optimizers.Muon(**k),
    "schedule_free": lambda **k: optimizers.ScheduleFreeAdamW(warmup_steps=3, **k),
}.items():
    if hasattr(optimizers, {"lamb": "Lamb", "muon": "Muon", "schedule_free": "ScheduleFreeAdamW"}[name]):
        OPTIMIZERS[name] = make

OPTIONS = {
    "plain": {},
    "ema": {"use_ema": True, "ema_momentum": 0.6},
    "ema_overwrite": {"use_ema": True, "ema_momentum": 0.6, "ema_overwrite_frequency": 3},
    "accumulation": {"gradient_accumulation_steps": 2},
    "accumulation_ema": {"gradient_accumulation_steps": 3, "use_ema": True, "ema_overwrite_frequency": 2},
    "decay": {"weight_decay": 0.2},
    "clipnorm": {"clipnorm": 0.5},
    "clipvalue": {"clipvalue": 0.3},
    "loss_scale_factor": {"loss_scale_factor": 8.0},
    "schedule": {},
    "scaled": {},
    "scaled_schedule_ema": {"use_ema": True, "ema_momentum": 0.6},
}


def test_every_optimizer_that_keras_exports_is_in_the_table():
    exported = {
        n for n, v in vars(optimizers).items() if isinstance(v, type) and issubclass(v, optimizers.Optimizer)
    }
    made = {type(make(learning_rate=RATE)).__name__ for make in OPTIMIZERS.values()}
    assert exported - made == {"Optimizer", "LossScaleOptimizer", "MultiOptimizer"} & exported


def table() -> list:
    """Every optimizer with every option; in the quick run each of both at least once."""
    return [
        pytest.param(
            name,
            option,
            marks=[] if option == "plain" or name == "nadam" else pytest.mark.long,
            id=f"{name}-{option}",
        )
        for name in OPTIMIZERS
        for option in OPTIONS
    ]


@pytest.mark.parametrize(("name", "option"), table())
def test_steps_after_unfreezing(name, option):
    if option == "decay" and name == "adamw":
        pytest.skip("has it already")

    def make(first_step=0):
        rate = Shifted(first_step) if "schedule" in option else RATE
        optimizer = OPTIMIZERS[name](learning_rate=rate, **{**OPTIONS[option]})
        if not option.startswith("scaled"):
            return optimizer
        return optimizers.LossScaleOptimizer(optimizer, initial_scale=SCALE)

    scale = SCALE if option.startswith("scaled") else 1.0
    start, found = disturbed(make, scale)
    # The schedule goes on from the step that the user sees.
    joined = (lambda: make(BEFORE)) if "schedule" in option else None
    check(found, expected(make, start, joined, scale), start)
