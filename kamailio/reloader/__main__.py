"""`python -m kamailio.reloader`: everything it needs to know is in the environment (README.md)."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
from typing import NoReturn

from kamailio.reloader.environment import SettingError, Settings
from kamailio.reloader.service import Service
from kamailio.reloader.snapshot import Keeper
from kamailio.reloader.status import Status, serve


def end(*_: object) -> NoReturn:
    """Proxies keep their tables; nothing is to be put away."""
    sys.exit(0)


def give_up(arguments: threading.ExceptHookArgs) -> None:
    """A thread that ends for a reason nobody thought of takes the process along: the cluster starts it again."""
    logging.critical("%s ended", arguments.thread, exc_info=arguments.exc_value)
    os._exit(1)


def main() -> int:
    """2 with one line when a setting is wrong."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    signal.signal(signal.SIGTERM, end)
    threading.excepthook = give_up
    try:
        settings = Settings.read(os.environ)
        status = Status()
        keeper = Keeper(settings, settings.snapshot, status) if settings.snapshot else None
        serve(status, settings.status, settings.token, keeper)
    except SettingError as wrong:
        print(f"reloader: {wrong}", file=sys.stderr)
        return 2
    except OSError as error:
        print(f"reloader: {settings.status}: {error.strerror}; see WARP_ACL_STATUS_LISTEN", file=sys.stderr)
        return 2
    if keeper:
        keeper.start()
    try:
        Service(settings, status).run()
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
