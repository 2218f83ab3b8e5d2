"""The networks to compare, and the two parts of the study. Imports nothing heavy."""

START, TRAINING = "start", "training"

WARMUP = 0.1  # of the steps
ROUNDS = 3  # errors are measured after each of this many parts of the training run

ARMS = {
    "plain": "no shortcuts, with BatchNorm",
    "residual": "shortcuts and BatchNorm",
    "plain without BN": "no shortcuts, no BatchNorm",
    "residual without BN": "shortcuts, no BatchNorm",
}
