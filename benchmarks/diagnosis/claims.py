"""Healthy runs of the claims' experiments that `tfbn.Doctor` watches: `python -m benchmarks.diagnosis.claims`.

Each is a run of the experiment itself, on its own images and with seed 0; a doctor watches each `fit`.
What is found is written to `claims.json` run by run; runs that are there already are left out.

The rule, fixed before the first run. A run counts as healthy if by its options alone, whatever it
comes to:

- it trains a network with BatchNormalization, for more than a single step (experiments trace with
  one, and reset the model);
- a layer that normalizes by the batch gets at least 16 images per batch, at least 64 where a channel
  has one value per image, and updates its moving statistics;
- a layer that normalizes by moving statistics has those of a pretrained network;
- the momentum forgets where the statistics started: `momentum^steps` is below 5 %;
- the learning rate is the experiment's own, the smallest where it tries several, and 0.1 where it looks
  for the largest one;
- no call site has a `training=` flag that this Keras overrides.

Left out by that rule: batches of 1 and 4, statistics held while the batch normalizes, random networks
in inference mode, momentum 0.999, networks without BatchNormalization, replicas that are not
synchronized, and the recipe `base(x, training=False)`. Of the rest, `RUNS` has every experiment
and each of its arms, where arms differ in what BatchNormalization does; the runs of `frozen_batchnorm` are
those of `benchmarks.diagnosis.arms`.
"""

from typing import Any

# Options other than the defaults, and the healthy runs: condition and arm.
RUNS: dict[str, tuple[dict[str, Any], tuple[tuple[str, str], ...]]] = {
    "several_devices": ({}, (("batch 32", "synchronized"),)),  # first, since it divides the processor
    "keras_recipe": (
        {},
        (
            ("none", "no_flag"),
            ("contrast=0.3", "no_flag"),
            ("none", "tfbn_functional"),
            ("none", "tfbn_subclassed"),
        ),
    ),
    "transfer_strategies": (
        {},
        (
            ("images=300", "everything_inference"),
            ("images=300", "everything_batch"),
            ("images=300", "last_inference"),
            ("images=300", "last_batch"),
            ("images=300", "head_batch"),
            ("images=300", "scratch_batch"),
        ),
    ),
    "affine_only": (
        {},
        (
            ("none", "affine_held"),
            ("none", "affine_updated"),
            ("none", "everything_held"),
            ("none", "everything_updated"),
            ("contrast=0.3", "everything_updated"),
            ("none", "head_updated"),
            ("none", "affine_random"),
            ("none", "head_random"),
        ),
    ),
    "batch_size": (
        {"learning_rates": (1e-3,)},
        (
            ("fixed steps, batch 16", "batchnorm"),
            ("fixed steps, batch 64", "batchnorm"),
            ("fixed steps, batch 64", "renorm"),
            ("fixed steps, batch 64", "dense"),
        ),
    ),
    "untrained_inference": ({}, (("training", "momentum_0.9"), ("training", "momentum_0.99"))),
    "layer_order": (
        {},
        (
            ("resnet20", "conv-bn-relu"),
            ("resnet20", "conv-bn-relu+bias"),
            ("resnet20", "conv-relu-bn"),
            ("resnet20", "bn-relu-conv"),
            ("plain20", "conv-relu-bn"),
        ),
    ),
    "convergence": ({}, (("rate 0.1", "batchnorm"), ("rate 0.1", "both"))),
    "depth": (
        {"learning_rates": (1e-3,)},
        (
            ("training, 8 layers", "plain"),
            ("training, 8 layers", "residual"),
            ("training, 20 layers", "plain"),
            ("training, 20 layers", "residual"),
        ),
    ),
    "real_scale": ({}, (("short_tuning", "tuned_held"), ("short_tuning", "tuned_batch"))),
}
