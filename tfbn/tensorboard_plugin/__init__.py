"""The tab BatchNorm in TensorBoard. Internal.

TensorBoard finds it through its entry point; it needs no configuration: `tensorboard --logdir
runs`. It reads what `tfbn.DriftRecorder` and `tfbn.summary` write through TensorBoard's data
provider, so it works wherever TensorBoard itself does.

- `plugin.py`: the routes; `requests.py`: what a request asks for, and answers to it;
- `reading.py`: a run's tensors put together;
- `views/`: one file for each view, from what was read to plain data;
- `static/`: the page, ES modules without a build step, and the chart library uPlot.
"""
