"""Measurements that anyone can repeat: ``make bench``. Each is a ratio against a peer measured in the same run."""
