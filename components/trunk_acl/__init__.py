"""The trunk ACL: who may call, from a reviewed file down to the rows that Kamailio reads.

`schema.py` is the component, `provider.py` the dynamic provider, `migrator.py` the schema, `entries.py` and
`dedicated.py` the rows,
`trunk_files.py` the files; the SQL is in `sql/`.
"""
