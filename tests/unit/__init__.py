"""The program without an engine: components under mocks, and everything that is pure Python."""
