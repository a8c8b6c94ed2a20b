"""The program without an engine: components under mocks, and everything that is pure Python."""

# First of all, as in the program: whoever imports `pulumi_gcp.compute` before it runs the whole package.
import components  # noqa: F401
