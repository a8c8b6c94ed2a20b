"""Databases and users of a Cloud SQL instance: rows in the cloud, and real ones in its PostgreSQL."""

from __future__ import annotations

import re

from local_cloud.cloud import Cloud, Transaction
from local_cloud.errors import CheckFailure, google_error, google_text
from local_cloud.gcp.rules import one_of
from local_cloud.gcp.sql_instances import DATABASE, USER
from local_cloud.gcp.sql_servers import INSTANCE, SqlServers, flags_of, postgres_words
from local_cloud.postgres import PostgresServer
from local_cloud.resource_type import ResourceType, Settings, known
from local_cloud.shapes import Shape
from local_cloud.values import Props


class _OfInstance(ResourceType):
    """Common base of databases and users."""

    any_deletion_policy = True

    def __init__(self, cloud: Cloud, servers: SqlServers) -> None:
        super().__init__(cloud)
        self._servers = servers

    def _instance(self, tx: Transaction, values: Props) -> Props:
        instance = tx.get(INSTANCE, f"projects/{values['project']}/instances/{values['instance']}")
        if instance is None:
            message = f"The Cloud SQL instance does not exist: {values['project']}:{values['instance']}."
            raise google_error(404, message, "instanceDoesNotExist")
        return instance

    def _server(self, tx: Transaction, values: Props) -> PostgresServer | None:
        with postgres_words("the instance is not running"):
            return self._servers.running(self._instance(tx, values))


class Database(_OfInstance):
    """A database of an instance."""

    token = DATABASE
    noun = "Database"
    key_format = "projects/{project}/instances/{instance}/databases/{name}"
    import_formats = ("instances/{instance}/databases/{name}", "{project}/{instance}/{name}", "{instance}/{name}")
    shape = Shape.parse("root: name!+ instance*! charset~ collation~ deletionPolicy~% project!~ selfLink^")

    def judge(self, planned: Props) -> list[CheckFailure]:
        name = known(planned, "name")
        if name is None or re.fullmatch(r"[^\x00-\x1f]{1,63}", name):
            return []
        return [CheckFailure("name", google_text(400, f"Invalid request: Invalid database name ({name}).", "invalid"))]

    def make(self, tx: Transaction, planned: Props) -> Props:
        server = self._server(tx, planned)
        settled = {"charset": planned.get("charset") or "UTF8", "collation": planned.get("collation") or "en_US.UTF8"}
        if server is not None:
            with postgres_words(f"failed to create database {planned['name']}"):
                server.create_database(planned["name"], settled["charset"], settled["collation"])
        link = f"https://www.googleapis.com/sql/v1beta4/{self.key(planned)}"
        return {**planned, **settled, "selfLink": link}

    def change(self, tx: Transaction, body: Props, planned: Props) -> Props:
        message = "Invalid request: Updating a database's charset or collation is not supported for PostgreSQL."
        raise google_error(400, message, "invalid")

    def see(self, tx: Transaction, body: Props) -> Props | None:
        """A database dropped with SQL no longer exists in the API either."""
        server = self._server(tx, body)
        if server is None:
            return body
        with postgres_words("failed to list databases"):
            return body if body["name"] in server.databases() else None

    def remove(self, tx: Transaction, body: Props) -> None:
        server = self._server(tx, body)
        if server is not None:
            with postgres_words(f"failed to delete database {body['name']}"):
                if body["name"] in server.databases():
                    server.drop_database(body["name"])


class User(_OfInstance):
    """A user of an instance. Only PostgreSQL has its password."""

    token = USER
    noun = "User"
    key_format = "projects/{project}/instances/{instance}/users/{name}"
    id_format = "{name}//{instance}"
    shape = Shape.parse(
        """
        root: name!+ instance*! databaseRoles[] deletionPolicy~% host!~ password$% passwordPolicy{} passwordWo$%
            passwordWoVersion:int% project!~ type!?=BUILT_IN iamEmail^ sqlServerUserDetails[]^
        passwordPolicy: allowedFailedAttempts:int enableFailedAttemptsCheck:bool enablePasswordVerification:bool
            passwordExpirationDuration statuses[]^
        passwordPolicy.statuses: locked:bool^ passwordExpirationTime^
        """
    )

    def identity(self, id_: str, settings: Settings) -> Props:
        """PROJECT/INSTANCE/NAME from an import, or the engine's NAME//INSTANCE."""
        if "//" in id_:
            name, instance = id_.split("//", 1)
            return {"project": settings.project, "instance": instance, "name": name}
        parts = id_.split("/")
        if len(parts) not in (3, 4):
            return super().identity(id_, settings)
        return {"project": parts[0], "instance": parts[1], "name": parts[-1]}

    def check(self, inputs: Props) -> list[CheckFailure]:
        kinds = ("BUILT_IN", "CLOUD_IAM_USER", "CLOUD_IAM_SERVICE_ACCOUNT", "CLOUD_IAM_GROUP")
        return one_of(inputs, "type", kinds)

    def judge(self, planned: Props) -> list[CheckFailure]:
        if not planned.get("host"):
            return []
        text = "Invalid request: Host is not supported for PostgreSQL users."
        return [CheckFailure("host", google_text(400, text, "invalid"))]

    def make(self, tx: Transaction, planned: Props) -> Props:
        instance = self._instance(tx, planned)
        if _is_iam(planned):
            if flags_of(instance).get("cloudsql.iam_authentication") != "on":
                message = "Invalid request: IAM authentication is not enabled (flag cloudsql.iam_authentication)."
                raise google_error(400, message, "invalid")
            return {**planned, "iamEmail": planned["name"]}
        password = planned.get("password") or planned.get("passwordWo")
        if not password:
            raise google_error(400, "Invalid request: A password is required for PostgreSQL users.", "invalid")
        server = self._server(tx, planned)
        if server is not None:
            with postgres_words(f"failed to create user {planned['name']}"):
                # With PostgreSQL, an existing user, such as a promoted replica's, gets the password
                # (github.com/terraform-google-modules/terraform-google-sql-db/issues/17, pull request 461).
                write = server.set_password if planned["name"] in server.users() else server.create_user
                write(planned["name"], password)
        return {**planned, "host": ""}

    def change(self, tx: Transaction, body: Props, planned: Props) -> Props:
        password = planned.get("password") or planned.get("passwordWo")
        server = None if _is_iam(body) else self._server(tx, body)
        if server is not None and password:
            with postgres_words(f"failed to update user {body['name']}"):
                server.set_password(body["name"], password)
        return {**body, **planned}

    def see(self, tx: Transaction, body: Props) -> Props | None:
        server = None if _is_iam(body) else self._server(tx, body)
        if server is None:
            return body
        with postgres_words("failed to list users"):
            return body if body["name"] in server.users() else None

    def remove(self, tx: Transaction, body: Props) -> None:
        server = None if _is_iam(body) else self._server(tx, body)
        if server is not None:
            with postgres_words(f"failed to delete user {body['name']}"):
                if body["name"] in server.users():
                    server.drop_user(body["name"])


def _is_iam(values: Props) -> bool:
    return str(values.get("type") or "").startswith("CLOUD_IAM")
