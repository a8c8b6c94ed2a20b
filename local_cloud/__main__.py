"""`python -m local_cloud`."""

import os
import sys

from local_cloud.cli import CommandLine
from local_cloud.process import LocalCloud

COMMAND_LINE = CommandLine(
    "python -m local_cloud",
    "A cloud on loopback: Google Cloud, Kubernetes and Gandi for the Pulumi engine.",
    LocalCloud,
    os.environ.get("LOCAL_CLOUD_DIR", ".local-cloud"),
)

if __name__ == "__main__":
    sys.exit(COMMAND_LINE.main())
