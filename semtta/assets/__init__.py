"""Files that are data, not code: what is included, what is fetched, and the user's own."""

from .store import Asset, fetch, path, rows, store_folder, verify

__all__ = ["Asset", "fetch", "path", "rows", "store_folder", "verify"]
