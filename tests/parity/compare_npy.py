"""Compares two .npy files of the same shape, row by row.

    python compare_npy.py A.npy B.npy
"""
import sys

import numpy as np

a, b = (np.load(path).astype(np.float64) for path in sys.argv[1:3])
if a.shape != b.shape:
    sys.exit(f"shapes differ: {a.shape} and {b.shape}")
a, b = a.reshape(len(a), -1), b.reshape(len(b), -1)
difference = np.abs(a - b).max(axis=1)
cosine = (a * b).sum(axis=1) / (np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1))
print(f"rows {len(a)}, columns {a.shape[1]}")
print(f"largest absolute difference {difference.max():.3e} (row {difference.argmax()})")
print(f"lowest cosine {cosine.min():.9f} (row {cosine.argmin()})")
