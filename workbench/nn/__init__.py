"""nn: a PyTorch-shaped way to build graphs.  Every model is one `Graph`: shown, run, bounded, trained and verified.

>>> from workbench import nn
>>> net = nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10)).init(seed=0)
>>> net.model((1, 64))
Model('sequential', 4 nodes, 2,410 parameters, no region)
"""

from __future__ import annotations

from workbench.nn import functional, initial, schedule
from workbench.nn.activations import (
    CELU,
    ELU,
    GELU,
    SELU,
    Hardsigmoid,
    Hardswish,
    Hardtanh,
    LeakyReLU,
    LogSigmoid,
    LogSoftmax,
    Mish,
    ReLU,
    ReLU6,
    Sigmoid,
    SiLU,
    Softmax,
    Softplus,
    Softsign,
    Tanh,
)
from workbench.nn.attention import MultiheadAttention, causal_mask, scaled_dot_product_attention
from workbench.nn.data import Loader, digits
from workbench.nn.export import to_onnx
from workbench.nn.history import History
from workbench.nn.layers import (
    Conv1d,
    Conv2d,
    Conv3d,
    ConvTranspose1d,
    ConvTranspose2d,
    ConvTranspose3d,
    Dropout,
    Embedding,
    Flatten,
    Identity,
    Linear,
    Reshape,
)
from workbench.nn.losses import (
    BCEWithLogitsLoss,
    CrossEntropyLoss,
    HuberLoss,
    KLDivLoss,
    L1Loss,
    MSELoss,
    NLLLoss,
)
from workbench.nn.module import Module, Residual, Sequential
from workbench.nn.norms import (
    BatchNorm1d,
    BatchNorm2d,
    BatchNorm3d,
    GroupNorm,
    InstanceNorm2d,
    LayerNorm,
    RMSNorm,
)
from workbench.nn.optim import SGD, Adadelta, Adagrad, Adam, AdamW, Lion, Muon, RMSprop
from workbench.nn.parameter import Buffer, Parameter
from workbench.nn.pooling import (
    AdaptiveAvgPool1d,
    AdaptiveAvgPool2d,
    AdaptiveAvgPool3d,
    AvgPool1d,
    AvgPool2d,
    AvgPool3d,
    MaxPool1d,
    MaxPool2d,
    MaxPool3d,
)
from workbench.nn.session import Objective, TrainingError
from workbench.nn.shapes import ShapeError, Tensor
from workbench.nn.tensorsfile import load as load_tensors
from workbench.nn.tensorsfile import save as save_tensors
from workbench.nn.tracing import Traced, trace
from workbench.nn.trainer import EarlyStop, Trainer, accuracy

__all__ = [
    "CELU",
    "ELU",
    "GELU",
    "SELU",
    "SGD",
    "Adadelta",
    "Adagrad",
    "Adam",
    "AdamW",
    "AdaptiveAvgPool1d",
    "AdaptiveAvgPool2d",
    "AdaptiveAvgPool3d",
    "AvgPool1d",
    "AvgPool2d",
    "AvgPool3d",
    "BCEWithLogitsLoss",
    "BatchNorm1d",
    "BatchNorm2d",
    "BatchNorm3d",
    "Buffer",
    "Conv1d",
    "Conv2d",
    "Conv3d",
    "ConvTranspose1d",
    "ConvTranspose2d",
    "ConvTranspose3d",
    "CrossEntropyLoss",
    "Dropout",
    "EarlyStop",
    "Embedding",
    "Flatten",
    "GroupNorm",
    "Hardsigmoid",
    "Hardswish",
    "Hardtanh",
    "History",
    "HuberLoss",
    "Identity",
    "InstanceNorm2d",
    "KLDivLoss",
    "L1Loss",
    "LayerNorm",
    "LeakyReLU",
    "Linear",
    "Lion",
    "Loader",
    "LogSigmoid",
    "LogSoftmax",
    "MSELoss",
    "MaxPool1d",
    "MaxPool2d",
    "MaxPool3d",
    "Mish",
    "Module",
    "MultiheadAttention",
    "Muon",
    "NLLLoss",
    "Objective",
    "Parameter",
    "RMSNorm",
    "RMSprop",
    "ReLU",
    "ReLU6",
    "Reshape",
    "Residual",
    "Sequential",
    "ShapeError",
    "SiLU",
    "Sigmoid",
    "Softmax",
    "Softplus",
    "Softsign",
    "Tanh",
    "Tensor",
    "Traced",
    "Trainer",
    "TrainingError",
    "accuracy",
    "causal_mask",
    "digits",
    "functional",
    "initial",
    "load_tensors",
    "save_tensors",
    "scaled_dot_product_attention",
    "schedule",
    "to_onnx",
    "trace",
]  # fmt: skip
