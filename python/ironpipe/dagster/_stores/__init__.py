"""Stores that both sides reach: readers of the chunks in them, and injectors of the context.

A module a provider, imported when one of its names is first asked for, since each needs the
provider's packages.
"""
