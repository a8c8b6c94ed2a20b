"""The engine, for everything else here: running it, what it recorded, and what it says that an update would do."""
