"""The trunk ACL: who may call, from a reviewed file down to the rows that Kamailio reads.

`schema.py` is the component, `provider.py` the dynamic provider, `migrator.py` the schema; `entries.py`,
`dedicated.py` and `owners.py` are the rows, `trunk_folder.py` and `trunk_files.py` the files, `places.py` where things
stand in them, `ranges.py` and `special_purpose.py` their ranges; `database_errors.py` is what PostgreSQL says. The SQL
is in `sql/`.
"""
