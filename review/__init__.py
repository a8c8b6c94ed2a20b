"""What a preview would change, for the people who approve it: who outside sees it, what it costs, which rules object.

Pure: `preview.py` reads what the engine wrote, `report.py` judges it, `markdown.py` writes it down. Nothing here runs
the engine, knows a pull request or decides whether something is deployed.
"""
