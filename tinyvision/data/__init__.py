"""Data sets: formats, folders, splits, preprocessing and batches."""
