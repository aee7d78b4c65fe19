"""Keras files (.keras, Keras 3) as modules: Sequential and Functional models, with the weights of their layers.

>>> from workbench.nn import keras  # keras.load("model.keras")
"""

from __future__ import annotations

from workbench.nn.keras.reading import load

__all__ = ["load"]
