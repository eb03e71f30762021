"""The methods that share the offline loop (Sec. 4.3)."""
