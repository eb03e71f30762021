"""Files that are data, not code: what is included, what is fetched, and the user's own."""

from .store import Asset, add_imported, fetch, imported, licensed, path, rows, store_folder, verify

__all__ = ["Asset", "add_imported", "fetch", "imported", "licensed", "path", "rows", "store_folder", "verify"]
