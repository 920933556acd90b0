"""Settings: the typed tree, its loader, and the checks of production.

Nothing outside this package reads the environment or a configuration file.
"""
