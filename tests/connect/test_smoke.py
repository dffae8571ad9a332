"""The smoke tests of all versions of PySpark, on Spark Connect."""

from spark_versions.test_smoke import *  # noqa: F403
