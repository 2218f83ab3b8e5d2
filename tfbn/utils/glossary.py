"""The words of reports, tables and the BatchNorm tab, defined once."""

import html

WORDS = {
    "agree": "How many seeds have a difference of the same sign as the mean.",
    "arm": "One of the ways of training that an experiment compares. All arms of a seed see the same"
    " images in the same order.",
    "batch statistics": "Mean and variance of each channel over the images of one batch and their positions, "
    "N·H·W values.",
    "condition": "The setting in which arms are compared, such as a change of the images.",
    "converged head": "A linear classifier trained to convergence on the features that fit saw, and tested "
    "on those of inference mode. It measures what the features are worth, not how fast a head "
    "learns on them.",
    "drift": "How far the moving statistics are from where they started, by layer. As a mean shift it "
    "is measured in standard deviations of the start.",
    "gap": "Accuracy as fit reports it minus accuracy in inference mode, in points, on the same "
    "training images. A large gap says that the network is good only in the mode that it "
    "trains in.",
    "inference mode": "What evaluate and predict do: every BatchNormalization normalizes by its moving "
    "statistics.",
    "interval": "95 %, Student's t over the seeds or parts, and never narrower than what the number of test "
    "images allows.",
    "mismatch": "How far what fit normalizes by (the batch) is from what predict will normalize by (the "
    "moving statistics): the Kullback-Leibler divergence of the two normal distributions, in "
    "nats per channel. 0: they are the same. It can be large where the drift is 0.",
    "moving statistics": "The moving mean and the moving variance that a layer keeps, and normalizes by in "
    "inference mode.",
    "nats": "The unit of a divergence computed with natural logarithms; 1 nat is 1.44 bits. A mean "
    "that is off by one standard deviation is 0.5 nats.",
    "points": "Percentage points: 80 % is 3 points more than 77 %.",
    "recalibrated": "With moving statistics that were replaced by those of the target's images, in one pass "
    "(tfbn.recalibrate).",
    "refitted head": "A converged head that was also fitted on the features of inference mode.",
    "short budget": "The few epochs or steps that the head trains in a run (--epochs in most experiments). A "
    "difference there also measures how fast a head learns.",
    "target": "The images that you train on; the source is what the network was pretrained on.",
}


def as_html() -> str:
    """The glossary as a page of its own.

    >>> "<dt id=nats>nats</dt>" in as_html()
    True
    """
    words = "\n".join(
        f"<dt id={word.replace(' ', '_')}>{word}</dt><dd>{html.escape(meaning)}</dd>"
        for word, meaning in WORDS.items()
    )
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Glossary · tfbn</title><style>
:root {{ color-scheme: light dark; }}
body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 44rem; margin: 2rem auto; padding: 0 1rem; }}
dt {{ font-weight: 600; margin-top: .8rem; }} dd {{ margin: 0 0 0 1.2rem; }}
</style></head><body><h1>Glossary</h1>
<dl>
{words}
</dl></body></html>
"""


def as_markdown() -> str:
    """The glossary as a table in Markdown.

    >>> as_markdown().splitlines()[0]
    '| word | meaning |'
    """
    rows = [f"| {word} | {meaning} |" for word, meaning in WORDS.items()]
    return "\n".join(["| word | meaning |", "|---|---|", *rows])
