"""`python -m kamailio.renewer`: everything it needs to know is in a JSON file and the environment (README.md)."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading

from kamailio.reloader.environment import SettingError
from kamailio.reloader.status import serve
from kamailio.renewer.configuration import Settings
from kamailio.renewer.service import Service
from kamailio.renewer.status import RenewerStatus


def give_up(arguments: threading.ExceptHookArgs) -> None:
    """A thread that ends for an unforeseen reason takes the process along: the cluster starts it again."""
    logging.critical("%s ended", arguments.thread, exc_info=arguments.exc_value)
    os._exit(1)


def main() -> int:
    """2 with one line when a setting is wrong."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    threading.excepthook = give_up
    try:
        settings = Settings.read(os.environ)
        status = RenewerStatus()
        service = Service(settings, status)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: service.stop())
        serve(status, settings.status, settings.token)
    except SettingError as wrong:
        print(f"renewer: {wrong}", file=sys.stderr)
        return 2
    except OSError as error:
        print(f"renewer: {settings.status}: {error.strerror}; see WARP_TLS_STATUS_LISTEN", file=sys.stderr)
        return 2
    service.run()
    return 0


if __name__ == "__main__":
    sys.exit(main())
