"""Loads what every worker needs, where it is imported: in the process that `fork_server` starts."""

import signal

from .workers import keep_libraries, use_one_thread

signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent gets it too, and ends this process
use_one_thread()
keep_libraries()
