"""Data files: those included, those downloaded on request, and those imported by the user."""

from .store import Asset, add_imported, fetch, imported, licensed, path, rows, store_folder, verify

__all__ = ["Asset", "add_imported", "fetch", "imported", "licensed", "path", "rows", "store_folder", "verify"]
