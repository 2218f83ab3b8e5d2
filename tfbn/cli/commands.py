"""What each command does with its file and its flags. Each function returns the text to print."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import tfbn
from tfbn.choosing.backbone import backbone
from tfbn.choosing.heads import check_scikit_learn
from tfbn.cli import inputs
from tfbn.datasets import Stream
from tfbn.datasets.pictures import Pictures
from tfbn.utils.files import can_be_written, written_whole
from tfbn.utils.quiet import onednn_is_on
from tfbn.utils.validation import fail

ONEDNN_IS_OFF = (
    "\n\noneDNN is off: this processor has no VNNI instructions, and TensorFlow was imported before "
    "TF_ENABLE_ONEDNN_OPTS=1 was set, or it was set to 0. A train step takes about 1.3 times as long."
)


def audit(file: str, flags: Any) -> str:
    """Runs `tfbn audit`."""
    model = inputs.network(file, flags, include_top=True)
    if flags.frozen:
        tfbn.freeze(model, flags.frozen.split(","))
    return str(tfbn.audit(model, batch_size=flags.batch_size, steps=flags.steps or None))


def doctor(file: str, flags: Any) -> str:
    """Runs `tfbn doctor`."""
    model = inputs.network(file, flags, include_top=True)
    if flags.data_dir:
        images = inputs.images(file, model, flags)
        print(images.summary(), flush=True)
        _warn(model, images)
    found = tfbn.doctor(model, batch_size=flags.batch_size, steps=flags.steps or None)
    return f"{found}{'' if onednn_is_on() else ONEDNN_IS_OFF}"


def choose(file: str, flags: Any) -> str:
    """Runs `tfbn choose`; with `--train`, also short training runs."""
    check_scikit_learn()
    model = inputs.network(file, flags, include_top=False)
    backbone(model, flags.up_to or None)  # raises before an image is read
    images = inputs.images(file, model, flags)
    print(images.summary(), flush=True)
    _warn(model, images)
    found = tfbn.choose(
        model,
        images.x,
        images.labels,
        up_to=flags.up_to or None,
        batch_size=flags.batch_size,
        repeats=flags.repeats,
        most_examples=flags.most_images,
        seed=flags.seed,
    )
    print(f"\n{found}", flush=True)
    return _trained(file, flags) if flags.train else ""


def recalibrate(file: str, flags: Any) -> str:
    """Runs `tfbn recalibrate`."""
    output = _output(flags.output)
    model = inputs.network(file, flags, include_top=True)
    images = inputs.images(file, model, flags)
    print(images.summary(), flush=True)
    data = {"data": images.x, "batch_size": flags.batch_size}
    if isinstance(images.x, Stream):
        data = {"data": images.x.dataset(flags.batch_size)}
    found = tfbn.recalibrate(model, **data, share=flags.share, verbose=False)
    _save(model, output)
    return f"{found}\nWritten: {output}"


def fold(file: str, flags: Any) -> str:
    """Runs `tfbn fold`."""
    output = _output(flags.output)
    folded = tfbn.fold(inputs.network(file, flags, include_top=True))
    _save(folded, output)
    return f"Written: {output}"


COMMANDS: dict[str, Callable[[str, Any], str]] = {
    "audit": audit,
    "doctor": doctor,
    "choose": choose,
    "recalibrate": recalibrate,
    "fold": fold,
}


def _warn(model: Any, images: Pictures) -> None:
    from tfbn.models.first_layer import mismatch_in_first_layer

    rows = np.random.default_rng(0).permutation(len(images.x))[:64]
    found = mismatch_in_first_layer(model, images.x[rows])
    if found:
        print(f"Warning: {found}. Is the range of pixels right? See --pixels.", flush=True)


def _trained(file: str, flags: Any) -> str:
    """Runs the experiment `choose` in a separate process, as a user would."""
    given = {
        "model": file,
        "data_dir": flags.data_dir,
        "batch_size": flags.batch_size,
        "image_size": flags.image_size,
        "pixels": flags.pixels,
        "work_dir": flags.work_dir,
    }
    command = [sys.executable, "-m", "tfbn.cli", "run", "choose"]
    command += [f"--{name}={value}" for name, value in given.items() if value]
    command += ["--skip_unreadable"] if flags.skip_unreadable else []
    status = subprocess.run(command, check=False).returncode
    return "" if status == 0 else f"The training runs ended with exit status {status}."


def _output(name: str) -> Path:
    path = Path(name)
    if path.suffix != ".keras":
        raise fail("output", "to end in .keras", name)
    if path.is_dir() or not can_be_written(path.parent):
        raise fail("output", "to be a file that can be written", name)
    return path


def _save(model: Any, path: Path) -> None:
    with written_whole(path) as temporary:
        # Keras derives the format from the file name.
        named = temporary.with_suffix(".keras")
        model.save(named)
        named.replace(temporary)
