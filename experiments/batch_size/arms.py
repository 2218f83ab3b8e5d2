"""The networks to compare, and the budgets of a training. Imports nothing heavy."""

BUDGETS = ("fixed steps", "fixed samples")

SAMPLING = "sampling"  # the condition of runs that measure batches instead of training on them

ROUNDS = 4  # drift is that of the last of this many parts of the training run

USUAL = 32

ARMS = {
    "batchnorm": "a convolutional network with BatchNorm",
    "renorm": "the same with batch renormalization",
    "dense": "one hidden dense layer with BatchNorm: a channel has one value per image",
}
