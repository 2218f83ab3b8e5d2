"""Which flags each command has, in groups, and their help."""

import dataclasses
from typing import Any

from absl import flags

GROUPS = ("model", "data", "training", "running")
_DEFINE: dict[type, Any] = {
    bool: flags.DEFINE_bool,
    int: flags.DEFINE_integer,
    float: flags.DEFINE_float,
    str: flags.DEFINE_string,
}


@dataclasses.dataclass(frozen=True)
class Option:
    """One flag.

    Attributes:
        name: Name of the flag.
        group: One of `GROUPS`.
        default: Default value, which also determines the type.
        help: One line.
        choices: The values allowed, for text.
        short: One-letter alias.
    """

    name: str
    group: str
    default: Any
    help: str
    choices: tuple[str, ...] = ()
    short: str | None = None

    def define(self, values: flags.FlagValues) -> None:
        """Defines the flag in an absl `FlagValues`."""
        arguments: dict[str, Any] = {"flag_values": values, "short_name": self.short}
        if self.choices:
            flags.DEFINE_enum(self.name, self.default, self.choices, self.help, **arguments)
        else:
            _DEFINE[type(self.default)](self.name, self.default, self.help, **arguments)


@dataclasses.dataclass(frozen=True)
class Command:
    """One command.

    Attributes:
        name: Name of the command.
        takes: Its positional argument.
        says: One-line description.
        options: Its flags, by name.
        needs: Required flags.
    """

    name: str
    takes: str
    says: str
    options: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()


_WEIGHTS = "For a name of keras.applications: imagenet, none, or a file of weights."
_SIZE = "Height and width of the images in pixels; 0: those of the file, or 96 for a name."
_PIXELS = "The network's range: unit 0..1, byte 0..255, symmetric -1..1; auto: from its first layers."
OPTIONS = {
    option.name: option
    for option in (
        Option("weights", "model", "imagenet", _WEIGHTS),
        Option("image_size", "model", 0, _SIZE),
        Option("pixels", "model", "auto", _PIXELS, choices=("auto", "unit", "byte", "symmetric")),
        Option("frozen", "model", "", "Patterns or stages to freeze, separated by commas; empty: none."),
        Option("up_to", "model", "", "The frozen part ends after this layer; empty: before the head."),
        Option("data_dir", "data", "", "A folder of class folders, which may be inside train, val and test."),
        Option("skip_unreadable", "data", False, "Skip files that cannot be read."),
        Option("most_images", "data", 1000, "Use at most this many images, drawn over all classes."),
        Option("batch_size", "training", 32, "Batch size of the planned training run."),
        Option("steps", "training", 0, "Steps of the planned training run; 0: unknown."),
        Option("share", "training", 1.0, "Share of the images' statistics; the rest are the network's own."),
        Option("train", "training", False, "Also race short paired training runs, and recommend by them."),
        Option("repeats", "running", 10, "Number of parts into which the images are divided; at least 3."),
        Option("seed", "running", 0, "Seed of the random draws."),
        Option("output", "running", "", "File to write, ending in .keras.", short="o"),
        Option("work_dir", "running", "", "Folder for the results of --train; runs/choose if empty."),
    )
}
_NETWORK = ("weights", "image_size")
_IMAGES = (*_NETWORK, "pixels", "data_dir", "skip_unreadable", "most_images", "batch_size", "seed")
COMMANDS = {
    command.name: command
    for command in (
        Command(
            "audit",
            "FILE",
            "shows what every BatchNormalization will do in fit and in evaluate",
            (*_NETWORK, "frozen", "batch_size", "steps"),
        ),
        Command(
            "doctor",
            "FILE",
            "names faults of BatchNormalization that raise no error, before training",
            (*_IMAGES, "steps"),
        ),
        Command(
            "choose",
            "FILE",
            "recommends a BatchNormalization mode for a network and images, in a few forward passes",
            (*_IMAGES, "up_to", "repeats", "train", "work_dir"),
            ("data_dir",),
        ),
        Command(
            "recalibrate",
            "FILE",
            "replaces the network's statistics by those of the images, in a new file",
            (*_IMAGES, "share", "output"),
            ("data_dir", "output"),
        ),
        Command(
            "fold",
            "FILE",
            "folds BatchNormalization into the layers before it, for inference, in a new file",
            (*_NETWORK, "output"),
            ("output",),
        ),
        Command("run", "EXPERIMENT", "runs one of the experiments, with its own flags (--help lists them)"),
    )
}


def flag_values(command: Command, name: str) -> flags.FlagValues:
    """The flags of a command, which may stand before and after FILE."""
    values = flags.FlagValues()
    for option in command.options:
        OPTIONS[option].define(values)
    values.set_gnu_getopt(True)
    return values


def overview() -> str:
    """The text of `tfbn --help`."""
    width = max(map(len, COMMANDS))
    lines = [f"  tfbn {c.name:{width}}  {c.takes:10}  {c.says}" for c in COMMANDS.values()]
    return "\n".join(
        [
            "tfbn: BatchNormalization with training separate from trainable.",
            "",
            *lines,
            "",
            "    tfbn choose mine.keras --data_dir=photos",
            "",
            "FILE is a .keras or .h5 file, or a name of keras.applications, such as MobileNetV2.",
            "`tfbn COMMAND --help` lists its flags. `--flagfile=FILE` reads flags from a file, one per line.",
        ]
    )


def help_of(command: Command) -> str:
    """The text of `tfbn COMMAND --help`, with the flags in groups."""
    lines = [f"tfbn {command.name} {command.takes} [flags]", "", f"  {command.says}", ""]
    for group in GROUPS:
        chosen = [OPTIONS[name] for name in command.options if OPTIONS[name].group == group]
        lines += [f"{group}:"] if chosen else []
        for option in chosen:
            name = f"--[no]{option.name}" if isinstance(option.default, bool) else f"--{option.name}"
            typed = f"-{option.short}, {name}" if option.short else name
            given = "required" if option.name in command.needs else f"default: {option.default!r}"
            choices = f" <{'|'.join(option.choices)}>" if option.choices else ""
            lines += [f"  {typed}{choices}", f"      {option.help} ({given})"]
        lines += [""] if chosen else []
    return "\n".join([*lines, "  --flagfile=FILE reads flags from a file, one per line."])
