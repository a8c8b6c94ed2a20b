"""A real PostgreSQL server for each Cloud SQL instance of the local cloud.

Runs a server process on an address of 127.0.0.0/8 with TLS, SCRAM passwords and Cloud SQL's roles; creates and drops
databases and users as Cloud SQL's Admin API does. The data is in the instance's own folder and survives restarts and
crashes of the server and of the local cloud. Debian's cluster tools are not used.

Not here: instance names, tiers, quotas, deletion protection and everything else of Google's control plane.
"""

from local_cloud.postgres.configuration import EVERYBODY
from local_cloud.postgres.errors import PostgresError
from local_cloud.postgres.server import PostgresServer, destroy_all

__all__ = ["EVERYBODY", "PostgresError", "PostgresServer", "destroy_all"]
