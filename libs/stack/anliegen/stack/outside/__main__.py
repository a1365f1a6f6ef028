"""`python -m anliegen.stack.outside`: one process for everything that belongs to others in production."""

from __future__ import annotations

import argparse
import logging
from pathlib import Path

import uvicorn

from anliegen.stack.home import Home
from anliegen.stack.outside.app import make_app
from anliegen.stack.ports import LOOPBACK


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--smtp-port", type=int, required=True)
    parser.add_argument("--host", default=LOOPBACK, help="0.0.0.0 in a container")
    parser.add_argument("--name", default=LOOPBACK, help="under which services reach it")
    chosen = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s (%(name)s)")
    for noisy in ("mail.log", "aiosmtpd"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    app = make_app(Home(chosen.home), port=chosen.port, smtp_port=chosen.smtp_port, host=chosen.host, name=chosen.name)
    uvicorn.run(
        app,
        host=chosen.host,
        port=chosen.port,
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=5,
        lifespan="on",
    )


if __name__ == "__main__":
    main()
