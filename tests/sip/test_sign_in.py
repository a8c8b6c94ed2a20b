"""Users and passwords of any characters, such as those of IAM principals: for Kamailio, the reloader and start.py."""

from __future__ import annotations

import dataclasses

import pytest

from components.trunk_acl import migrations, migrator, roles
from sandbox.acl import READER_PASSWORD, Acl
from sandbox.sip_proxy import Database
from tests.sip.conftest import ProxyMaker
from tests.sip.edge import KNOWN, SOON, UNKNOWN, seconds_until
from tests.sip.test_start import LONGEST, away, with_snapshot


@dataclasses.dataclass(frozen=True)
class AsMember(Acl):
    """The ACL, as a member of warp_acl_reader sees it. The Auth Proxy would add the token that is the password here."""

    user: str = ""
    password: str = ""

    @property
    def database(self) -> Database:
        return dataclasses.replace(super().database, user=self.user, password=self.password)


@pytest.mark.parametrize(
    ("user", "password"),
    [
        ("kamailio@warp-test.iam", "plain"),
        ("two@warp-test.iam", "p@ss/w:rd%41#?& '\\"),
        ("a%40b@c.iam", "plain"),
    ],
)
def test_an_iam_principals_name_and_any_password_sign_in(
    own_acl: Acl, new_proxy: ProxyMaker, user: str, password: str
) -> None:
    own_acl.server.create_user(user, password)
    wishes = migrator.Wishes(migrations.load(), [roles.reader(READER_PASSWORD, [user])], create_customers=True)
    with own_acl.connection() as connection:
        migrator.migrate(connection, wishes)
    edge = with_snapshot(new_proxy("mtree", AsMember(own_acl.server, own_acl.name, user, password)))
    assert (edge.status(KNOWN), edge.status(UNKNOWN)) == (200, 403)
    own_acl.remove(KNOWN)
    seconds_until(lambda: edge.status(KNOWN) == 403, SOON)
    own_acl.add("ACME", "main", "127.0.98.0/24")
    seconds_until(lambda: edge.status("127.0.98.1") == 200, SOON)
    seconds_until(lambda: edge.proxy.snapshot_file.exists(), LONGEST)
    with away(own_acl):
        edge.proxy.restart_kamailio()
        assert (edge.status("127.0.98.1"), edge.status(UNKNOWN)) == (200, 403)
    own_acl.remove("127.0.98.0/24")
    seconds_until(lambda: edge.status("127.0.98.1") == 403, LONGEST)
