"""A real PostgreSQL server for each Cloud SQL instance of the local cloud.

Stands up a server process on an address of 127.0.0.0/8 with TLS, SCRAM passwords and the roles Cloud SQL has; creates
and drops its databases and users as Cloud SQL's Admin API does. Data lies in the instance's own folder and survives
restarts and crashes of the server and of the local cloud. Debian's cluster tools are never used.

Leaves to others: instance names, tiers, quotas, deletion locks and everything else that is Google's control plane.
"""

from local_cloud.postgres.configuration import EVERYBODY
from local_cloud.postgres.errors import PostgresError
from local_cloud.postgres.server import PostgresServer, destroy_all

__all__ = ["EVERYBODY", "PostgresError", "PostgresServer", "destroy_all"]
