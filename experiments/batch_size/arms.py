"""The networks that are compared, and what a training may cost. Imports nothing heavy."""

BUDGETS = ("fixed steps", "fixed samples")

SAMPLING = "sampling"  # the condition of runs that measure batches rather than train by them

ROUNDS = 4  # drift is that of the last of this many parts of the training run

USUAL = 32

ARMS = {
    "batchnorm": "a convolutional network with BatchNorm",
    "renorm": "the same with batch renormalization",
    "dense": "one hidden dense layer with BatchNorm: a channel has one value an image",
}
