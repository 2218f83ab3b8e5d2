"""Command lines that a binary must refuse, each with a piece of its message.

They are run in a folder made by `write_world`.
"""

import dataclasses
import json
from pathlib import Path

import keras
import numpy as np

from experiments.frozen_batchnorm import __main__ as frozen_batchnorm
from experiments.lab.store import manifest_of

WHOLE, AT_LEAST = "to be a whole number of at least", "to be a finite number of at least"
SMALL = "--data_dir=two --train_images=2 --test_images=2 --pixels=unit"
GOOD = f"--model=good.keras {SMALL}"  # all is well with it, which takes less than with the default
FILE = "--model=good.keras --pixels=unit"  # likewise, where the images are at fault

# After "frozen_batchnorm"; the piece is after "Expected ".
MAIN_JOB = {
    "--arms=bacth": "(did you mean batch, batch_slow, batch_held?). Received: arms='bacth'",
    "--arms=": "`arms` to name at least one. Received: arms=()",
    "--arms=batch,batch": "`arms` to name each once. Received: arms=('batch', 'batch')",
    "--shifts=": "`shifts` to name at least one. Received: shifts=()",
    "--shifts=contrst=0.3": "'blur'] (did you mean contrast?). Received: shift='contrst'",
    "--shifts=noise": "`shift` to have a strength, such as noise=0.3. Received: shift='noise'",
    "--shifts=blur=99": "`blur strength` to be a number in [0.0, 10.0]. Received: blur strength=99.0",
    "--shifts=contrast=nan": "`contrast strength` to be a number in [0.0, 10.0]. Received: contrast strength",
    f"{FILE} --dataset=uci_digit": "`dataset` to be a TFDS name (did you mean uci_digits",
    f"{FILE} --dataset=cifar10": "`dataset` to be prepared in",
    f"{FILE} --dataset=../../elsewhere": "Received: dataset='../../elsewhere'",
    "--model=resnet9": "`depth` to be 6n+2 (nearest: 8 and 14). Received: depth=9",
    "--model=resnett8": "`name` to be a network (did you mean resnet8",
    "--model=VGG16": "a network with BatchNormalization, which this one lacks. Received: name='VGG16'",
    "--model=nowhere.keras": "`model` to be a file that exists. Received: model='nowhere.keras'",
    "--model=broken.keras": "`model` to be a Keras model file",
    "--model=vector.keras": "`model` to take images, (batch, height, width, channels). Received: model=(None",
    "--model=any_size.keras": (
        "`image_size` to be given, since the network takes any size. Received: image_size=0"
    ),
    "--model=any_size.keras --image_size=12": "`model` to have at least one BatchNormalization layer",
    "--model=oblong.keras": "`model` to take square images. Received: model='oblong.keras, which takes 12 x",
    "--model=good.keras --image_size=20": "to be that of the network, 12 x 12. Received: image_size=20",
    "--model=good.keras --channels=1": "`channels` to be those of the network, 3. Received: channels=1",
    f"{GOOD} --weights=none": "to be auto, since good.keras has its own. Received: weigh",
    "--model=resnet20": "packaged weights of resnet20 (there are: []). Received: weights='auto'",
    "--weights=imagenet": "packaged weights one of ['mnist5k', 'mnist5k-0'",
    "--weights=nowhere.weights.h5": "`weights` to be a file that exists. Received: weights='nowhere.weights.",
    "--weights=broken.weights.h5": "`weights` to be a file with weights that fit resnet8",
    "--channels=2": "fit resnet8 with input_shape=(28, 28, 2) (stem and stages). Received: weights=",
    "--weights=none --channels=2": "`channels` to be 1, 3 or None. Received: channels=2",
    "--image_size=-3": f"`image_size` {WHOLE} 0. Received: image_size=-3",
    "--border=14": "`border` to leave room for the image. Received: border=14, image_size=28",
    "--frozen=stage9": (
        "`frozen` to match a layer (did you mean stage3, stage2, stage1, stem?). Received: frozen"
    ),
    "--momentum=1.1": "`momentum` to be a number in [0.0, 1.0]. Received: momentum=1.1",
    "--momentum=nan": "`momentum` to be a number in [0.0, 1.0]. Received: momentum=nan",
    "--seeds=0": f"`seeds` {WHOLE} 1. Received: seeds=0",
    "--epochs=-1": f"`epochs` {WHOLE} 0. Received: epochs=-1",
    "--draws=disjoint --test_images=99": "`train_images` to be given, since the draws are disjoint. Received",
    f"{FILE} --draws=disjoint --train_images=300 --test_images=160": "4 disjoint draws of 460 images are",
    "--batch_size=-32": f"`batch_size` {WHOLE} 1. Received: batch_size=-32",
    "--learning_rate=-0.1": f"`learning_rate` {AT_LEAST} 0.0. Received: learning_rate=-0.1",
    "--learning_rate=inf": f"`learning_rate` {AT_LEAST} 0.0. Received: learning_rate=inf",
    "--workers=-1": f"`workers` {WHOLE} 0. Received: workers=-1",
    "--results=ftp": "`results` to be one of ['folder', 'return']. Received: results='ftp'",
    "--pixels=bits": "`pixels` to be one of ['auto', 'unit', 'byte', 'symmetric'] (did you mean unit",
    f"{FILE} --train_images=1798": "`train_images` + `test_images` to be at most 1797, the images of uci_",
    f"{FILE} --data_dir=nowhere": "`data_dir` to be a folder. Received: data_dir='nowhere'",
    f"{FILE} --data_dir=file": "`data_dir` to be a folder. Received: data_dir='file'",
    f"{FILE} --data_dir=empty": "to be a folder with one folder for each class. Received: data_dir='empty",
    f"{FILE} --data_dir=no_images": "`data_dir` to hold images (.png",
    f"{FILE} --data_dir=one": "images of at least two classes. Received: ('cat',) in one",
    f"{FILE} --data_dir=text": "others). Received: data_dir='text/cat/0.png'",
    "--source_data_dir=one": "images of at least two classes. Received: ('cat',) in one",
    "--source_dataset=nothing": "`dataset` to be a TFDS name (did you mean",
    f"{GOOD} --work_dir=file": "`work_dir` to be a folder that can be written. Received: work_dir='file'",
    f"{GOOD} --work_dir=file/below": "to be a folder that can be written. Received: work_dir='file/below'",
    f"{GOOD} --work_dir=/proc/nothing": "a folder that can be written. Received: work_dir='/proc/nothing'",
    f"{GOOD} --work_dir=foreign": "new, empty or the folder of an earlier study. Received: work_dir='foreign",
    "--work_dir=other": "to belong to the same configuration. Received: work_dir='other' with momentum=0.5 t",
    "--work_dir=corrupt": "Received: path='corrupt/runs/noise=0.3/batch/seed0/result.json' (",
    f"{GOOD} --work_dir=half": "a readable file of an earlier run; use another work_dir",
    f"{GOOD} --work_dir=future": "stores runs in format 1. Received: work_dir='future' of format 2",
    "--dry_run --work_dir=foreign": "new, empty or the folder of an earlier study. Received: work_dir='forei",
    "--audit --arms=nothing": "`arms` to be one of ['auto', 'inference', 'batch', ",
    f"{GOOD} --scheduler=tcp://127.0.0.1:9": "to be one that answers. Received: scheduler='tcp://127.0.0",
    f"{GOOD} --scheduler=nonsense://x": "to be one that answers. Received: scheduler='nonsense://x'",
    f"{GOOD} --scheduler=local:none": "to be an address or local:<workers>. Received: scheduler='local:none'",
    "surplus": "flags only. Received: surplus",
}

OTHERS = {
    "affine_only --tuning_rate=-1": f"`tuning_rate` {AT_LEAST} 0. Received: tuning_rate=-1.0",
    "batch_size --sizes=": "`sizes` to name at least one. Received: sizes=()",
    "batch_size --sizes=8,0": f"`sizes` {WHOLE} 1. Received: sizes=0",
    "batch_size --arms=renorm": "`arms` to include batchnorm or dense, for comparison",
    "batch_size --learning_rates=-1": f"`learning_rates` {AT_LEAST} 0.0. Received: learning_rates=-1.0",
    "choose --arms=inference": "`arms` to name at least two, to compare. Received: arms=('inference',)",
    "choose --shifts=none,noise=0.3": "`shifts` to name one. Received: shifts=('none', 'noise=0.3')",
    "claims --experiments=depht": "'several_devices'] (did you mean depth?). Received: experiments='depht'",
    "claims --work_dir=file": "to be a folder that can be written. Received: work_dir='file/frozen_batchnorm",
    "convergence --rates=": "`rates` to name at least one. Received: rates=()",
    "convergence --rates=inf": f"`rates` {AT_LEAST} 0.0. Received: rates=inf",
    "convergence --dropout=1": "`dropout` to be a number in [0.01, 0.99]. Received: dropout=1.0",
    "depth --depths=8,9": (
        "`depths` and `start_depths` to be 6n+2, such as 8, 20, 56 or 110. Received: depths=9"
    ),
    "depth --depths=8,8": "`depths` to name each once. Received: depths=(8, 8)",
    "frozen_batchnorm --strategy=multi": "`strategy` to be one of ['none', 'mirrored']",
    "frozen_batchnorm --strategy=mirrored --batch_size=15": "`batch_size` to be a multiple of replicas=2, so",
    "keras_recipe --frozen=stage1": "`frozen` to be empty, since the recipe freezes the whole base",
    "layer_order --networks=resnet9": (
        "`networks` to be plain or resnet with a depth of 6n+2, such as plain20. Received: networks"
    ),
    "pretrain --test_images=5000": "`test_images` to be less than 5000, the images of mnist5k. Received: tes",
    "pretrain --output=file": "`output` to be a folder that can be written. Received: output='file'",
    "several_devices --sizes=": "`sizes` to name at least one. Received: sizes=()",
    "several_devices --sizes=7": "`sizes` to be multiples of replicas=2. Received: sizes=7",
    "several_devices --sizes=400": "`sizes` to be at most train_images=300. Received: sizes=400",
    "several_devices --workers=0": "`workers` to be at least 1 for several devices. Received: workers=0",
    "sweep": "`grid` to name at least one option and its values. Received: grid=()",
    "sweep --grid=momentum": (
        "`grid` to be an option and its values, such as momentum=0.9,0.99. Received: grid='momentum'"
    ),
    "sweep --grid=mometum=0.9": "`grid` to name an option of the experiment (did you mean momentum",
    "sweep --grid=momentum=fast": "`momentum` to be of type float. Received: momentum='fast'",
    "sweep --grid=momentum=0.9,2": "`momentum` to be a number in [0.0, 1.0]. Received: momentum=2.0",
    "sweep --grid=momentum=0.9,0.9": "`grid` to name each value once. Received: grid='momentum=0.9,0.9'",
    "sweep --grid=momentum=0.9 --grid=momentum=0.8": "`grid` to name each option once. Received: grid=[",
    "sweep --grid=seeds=1,2": "seeds as a flag of the sweep itself. Received: grid=('seeds=1,2',)",
    "sweep --grid=momentum=0.9 --set=epochs": "`set` to be an option and its values",
    "sweep --grid=momentum=0.9 --set=momentum=0.8": "`set` to leave momentum to the grid. Received: set=(",
    "sweep --experiment=claims --grid=quick=true": "`experiment` to be one with runs of its own",
    "sweep --experiment=dpeth --grid=depths=8": "(did you mean depth",
    "transfer_strategies --train_images=": "`train_images` to name at least one. Received: train_images=()",
    "transfer_strategies --shift=": "`shift` to be one of ['none', 'contrast', 'noise', 'inversion', 'blur']",
    f"transfer_strategies --model=good.keras {SMALL}": "`frozen` to name what last_* freezes of good.keras",
    "untrained_inference --momenta=2": "`momenta` to be a number in [0.0, 1.0]. Received: momenta=2.0",
}

REFUSED = {f"frozen_batchnorm --model=resnet8 {line}": piece for line, piece in MAIN_JOB.items()} | OTHERS

# The flags report these themselves, in their own words.
NOT_UNDERSTOOD = {
    "frozen_batchnorm --sedes=1": "Unknown command line flag 'sedes'. Did you mean: seeds. See --help.",
    "frozen_batchnorm --seeds=few": "flag --seeds=few: invalid literal for int() with base 10: 'few'. See --",
    "frozen_batchnorm --momentum=fast": "flag --momentum=fast: could not convert string to float: 'fast'. Se",
    "frozen_batchnorm --noaudit=1": "--noaudit=1 does not take an argument. See --help.",
    "frozen_batchnorm --audit=perhaps": "('Non-boolean argument to boolean flag', 'perhaps'). See --help.",
    "depth --depths=deep": "flag --depths=deep: invalid literal for int() with base 10: 'deep'. See --help.",
    "untrained_inference --momenta=slow": "flag --momenta=slow: could not convert string to float: 'slow'. S",
}


def write_world(folder: Path) -> None:
    """Files and work folders that are wrong, each in its way, and a few that are right."""
    (folder / "file").write_text("a file")
    for name in (
        "empty",
        "no_images/cat",
        "one/cat",
        "two/cat",
        "two/dog",
        "text/cat",
        "text/dog",
        "foreign",
    ):
        (folder / name).mkdir(parents=True)
    (folder / "foreign" / "thesis.tex").write_text("years of work")
    (folder / "no_images" / "cat" / "notes.txt").write_text("no image")
    for name in ("one/cat", "two/cat", "two/dog", "text/dog"):
        for i, picture in enumerate(np.random.default_rng(0).random((2, 12, 12, 3))):
            keras.utils.save_img(folder / name / f"{i}.png", 255 * picture, scale=False)
    (folder / "text" / "cat" / "0.png").write_text("no image")
    for name in ("broken.keras", "broken.weights.h5"):
        (folder / name).write_text("no weights")
    _write_models(folder)
    _write_studies(folder)


def _write_models(folder: Path) -> None:
    layers = keras.layers
    norm = [
        layers.Conv2D(2, 3),
        layers.BatchNormalization(),
        layers.GlobalAveragePooling2D(),
        layers.Dense(2),
    ]
    models = {
        "vector": [keras.Input((5,)), layers.Dense(2)],
        "any_size": [keras.Input((None, None, 3)), layers.Conv2D(2, 3)],
        "oblong": [keras.Input((12, 20, 3)), layers.Conv2D(2, 3)],
        "good": [keras.Input((12, 12, 3)), *norm],
    }
    for name, parts in models.items():
        keras.Sequential(parts).save(folder / f"{name}.keras")


def _write_studies(folder: Path) -> None:
    small = frozen_batchnorm.Config(model="resnet8")
    default = manifest_of("frozen_batchnorm", small)
    other = manifest_of("frozen_batchnorm", dataclasses.replace(small, momentum=0.5))
    manifests = {
        "other": json.dumps(other),
        "corrupt": json.dumps(default),
        "half": json.dumps(default)[:100],
        "future": json.dumps({**default, "format": 2}),
    }
    for name, text in manifests.items():
        run = folder / name / "runs" / "noise=0.3" / "batch" / "seed0"
        run.mkdir(parents=True)
        (folder / name / "manifest.json").write_text(text)
        (run / "result.json").write_text(
            '{"condition": "noise=0.3", "arm": "ba' if name == "corrupt" else "{}"
        )
