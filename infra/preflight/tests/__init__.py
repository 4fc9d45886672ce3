"""Tests of preflight. `cargo xtask test` runs them, and by hand: `python -m unittest discover -s infra/preflight -t infra`."""
