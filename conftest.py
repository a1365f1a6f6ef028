"""What holds for a whole run of the tests."""

import gc
import warnings


def pytest_sessionfinish() -> None:
    """Let go of connections that aiokafka left open, before pytest takes them for an error of the whole run.

    A client that is closed while a task of its own is connecting leaves that connection to the collector. Whatever of
    ours is left open during the run still fails the test in which it is found.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()
