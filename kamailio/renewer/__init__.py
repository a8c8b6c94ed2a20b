"""The certificate of the TLS listeners: issued and renewed by ACME, kept in one Secret, loaded by every proxy.

`python -m kamailio.renewer`, in the reloader's image. README.md beside this file says how it is run and watched.
"""
