"""Tests of the benchmarks. They check results and reports, not times."""
