"""Says before a deployment whether it can succeed: reads `samconfig.toml`, asks AWS and the identity provider, changes nothing.

`cargo xtask preflight` runs it. Each module of `checks` is one check; `checks/__init__.py` lists them.
"""
