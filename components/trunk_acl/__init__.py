"""The trunk ACL: who may call, from a reviewed file down to the rows that Kamailio reads.

`schema.py` is the component, `provider.py` the dynamic provider, `migrator.py` the schema, `entries.py` and
`dedicated.py` the rows,
`trunk_folder.py` and `trunk_files.py` the files, `places.py` where things stand in them, `special_purpose.py` the
reserved ranges; the SQL is in `sql/`.
"""
