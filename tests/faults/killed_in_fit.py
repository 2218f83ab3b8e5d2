"""The main job made small: once undisturbed, once killed by itself in the middle of the third epoch."""

import os
import signal
import sys

import keras

from experiments.frozen_batchnorm.__main__ import EXPERIMENT, Config
from experiments.lab import binary
from experiments.training import training

FLAGS = {"seeds": 1, "workers": 0, "epochs": 4, "train_images": 80, "test_images": 40, "batch_size": 16}
LISTS = {"arms": ("batch",), "shifts": ("noise=0.3",)}


class Killer(keras.callbacks.Callback):
    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch

    def on_train_batch_end(self, batch, logs=None):
        if (self.epoch, batch) == (2, 2):
            os.kill(os.getpid(), signal.SIGKILL)


def fit_and_die(*args, callbacks=(), **kwargs):
    return fit(*args, callbacks=[*callbacks, Killer()], **kwargs)


if __name__ == "__main__":
    calm, rough = sys.argv[1:]
    binary.answer(EXPERIMENT, Config(work_dir=calm, **FLAGS, **LISTS))
    fit, training.fit = training.fit, fit_and_die
    binary.answer(EXPERIMENT, Config(work_dir=rough, checkpoint_every=1, **FLAGS, **LISTS))
