"""Whether the access that `trunkAcl` configures is possible with the settings of `database`.

Without these checks a preview would succeed, and the update would wait for an answer that cannot come.
"""

from __future__ import annotations

from settings.database import Database
from settings.problems import refuse
from settings.trunk_acl import Enforcement, SignIn, TrunkAcl

CERTIFICATES = "TRUSTED_CLIENT_CERTIFICATE_REQUIRED"
SWITCH_ON = "set database.iamAuthentication: true"


def the_database_can_be_reached(trunk_acl: TrunkAcl, database: Database) -> None:
    """Refuse access that cannot work: for `pulumi up` where the ACL is applied, for the SIP proxies where it is
    read."""
    if trunk_acl.manage:
        _refuse_for_pulumi(trunk_acl, database)
    if trunk_acl.manage or database.replica_of:
        _refuse_for_principals(trunk_acl.sign_in, database)
        if trunk_acl.enforcement:
            _refuse_for_proxies(trunk_acl.enforcement, trunk_acl.sign_in, database)


def _refuse_for_pulumi(acl: TrunkAcl, database: Database) -> None:
    reach, network = acl.reach, database.network
    if reach.address == "private" and network.private_network is None:
        raise refuse(
            "reach.address is private, and the database has no private address",
            "set trunkAcl.reach.address: public, or add database.network.privateNetwork",
        )
    # A proxy on this machine chooses the address by itself (--private-ip).
    if reach.address == "public" and not network.public and reach.access != "proxy":
        raise refuse(
            "reach.address is public (the default), and the database has no public address",
            "set trunkAcl.reach.address: private and run where the VPC network is reachable, or use"
            " trunkAcl.reach.access: proxy, or set database.network.public: true",
        )
    if reach.access == "direct" and database.ssl_mode == CERTIFICATES:
        raise refuse(
            f"reach.access is direct, and database.sslMode {CERTIFICATES} requires a client certificate",
            "use trunkAcl.reach.access: connector (or proxy), which have one, or set database.sslMode: ENCRYPTED_ONLY",
        )
    if reach.iam_user and not database.iam_authentication:
        raise refuse("reach.iamUser signs in by IAM, which the database does not allow", SWITCH_ON)
    # Proxy and connector use a separate port, which needs no authorised network
    # (docs.cloud.google.com/sql/docs/postgres/authorize-networks).
    if reach.access == "direct" and reach.address == "public" and not network.authorised:
        raise refuse(
            "reach is direct to the public address (the default), and no network is authorised to use that",
            "add the range that `pulumi up` comes from to database.network.authorised, or use"
            " trunkAcl.reach.access: connector (or proxy)",
        )


def _refuse_for_principals(sign_in: SignIn, database: Database) -> None:
    named = [key for key, given in (("readers", sign_in.readers), ("writers", sign_in.writers)) if given]
    if named and not database.iam_authentication:
        raise refuse(f"signIn.{named[0]} sign in by IAM, which the database does not allow", SWITCH_ON)


def _refuse_for_proxies(enforcement: Enforcement, sign_in: SignIn, database: Database) -> None:
    if database.ssl_mode == CERTIFICATES and sign_in.passwords:
        raise refuse(
            f"the SIP proxies sign in with a password, and database.sslMode {CERTIFICATES} requires a client"
            " certificate",
            "set database.sslMode: ENCRYPTED_ONLY, or trunkAcl.signIn.passwords: false with a proxy beside them"
            f" (trunkAcl.enforcement.address, now {enforcement.address or 'absent'})",
        )
    network = database.network
    if enforcement.address is None and network.private_network is None and not network.authorised:
        raise refuse(
            "the SIP proxies connect to the database's public address, and no network is authorised to use that",
            "add database.network.privateNetwork, or the range that the pods come from to database.network.authorised,"
            " or set trunkAcl.enforcement.address: 127.0.0.1 for a Cloud SQL Auth Proxy beside them",
        )
