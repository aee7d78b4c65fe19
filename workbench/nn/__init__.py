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
    GLU,
    SELU,
    Hardsigmoid,
    Hardswish,
    Hardtanh,
    LeakyReLU,
    LogSigmoid,
    LogSoftmax,
    Mish,
    PReLU,
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
from workbench.nn.dataset import DataError, Dataset, dataset
from workbench.nn.export import to_onnx
from workbench.nn.fromtorch import from_torch
from workbench.nn.history import History
from workbench.nn.kan import KAN, KANLinear
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
from workbench.nn.lora import LoRA, lora, merged
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
    InstanceNorm1d,
    InstanceNorm2d,
    InstanceNorm3d,
    LayerNorm,
    RMSNorm,
)
from workbench.nn.optim import SGD, Adadelta, Adagrad, Adam, AdamW, Lion, Muon, RMSprop
from workbench.nn.parameter import Buffer, Parameter
from workbench.nn.pictures import read_images
from workbench.nn.pooling import (
    AdaptiveAvgPool1d,
    AdaptiveAvgPool2d,
    AdaptiveAvgPool3d,
    AdaptiveMaxPool1d,
    AdaptiveMaxPool2d,
    AdaptiveMaxPool3d,
    AvgPool1d,
    AvgPool2d,
    AvgPool3d,
    MaxPool1d,
    MaxPool2d,
    MaxPool3d,
)
from workbench.nn.positions import LearnedPositions, RotaryPositions, SinusoidalPositions
from workbench.nn.readers import read_csv, read_npy, read_npz
from workbench.nn.recurrent import GRU, LSTM, RNN, First, Take
from workbench.nn.resizing import PixelShuffle, Upsample, ZeroPad1d, ZeroPad2d, ZeroPad3d
from workbench.nn.session import Objective, TrainingError
from workbench.nn.shapes import ShapeError, Tensor
from workbench.nn.statespace import Mamba, selective_scan
from workbench.nn.steep import LocalPenalty, SpectralPenalty, lipschitz
from workbench.nn.tensorsfile import load as load_tensors
from workbench.nn.tensorsfile import save as save_tensors
from workbench.nn.text import ByteTokenizer, bpe_tokenizer, read_text, windows
from workbench.nn.totorch import TorchSource, to_torch
from workbench.nn.tracing import Traced, trace
from workbench.nn.trainer import EarlyStop, Trainer, accuracy
from workbench.nn.transformer import (
    TransformerDecoder,
    TransformerDecoderLayer,
    TransformerEncoder,
    TransformerEncoderLayer,
)

__all__ = [
    "CELU",
    "ELU",
    "GELU",
    "GLU",
    "GRU",
    "KAN",
    "LSTM",
    "RNN",
    "SELU",
    "SGD",
    "Adadelta",
    "Adagrad",
    "Adam",
    "AdamW",
    "AdaptiveAvgPool1d",
    "AdaptiveAvgPool2d",
    "AdaptiveAvgPool3d",
    "AdaptiveMaxPool1d",
    "AdaptiveMaxPool2d",
    "AdaptiveMaxPool3d",
    "AvgPool1d",
    "AvgPool2d",
    "AvgPool3d",
    "BCEWithLogitsLoss",
    "BatchNorm1d",
    "BatchNorm2d",
    "BatchNorm3d",
    "Buffer",
    "ByteTokenizer",
    "Conv1d",
    "Conv2d",
    "Conv3d",
    "ConvTranspose1d",
    "ConvTranspose2d",
    "ConvTranspose3d",
    "CrossEntropyLoss",
    "DataError",
    "Dataset",
    "Dropout",
    "EarlyStop",
    "Embedding",
    "First",
    "Flatten",
    "GroupNorm",
    "Hardsigmoid",
    "Hardswish",
    "Hardtanh",
    "History",
    "HuberLoss",
    "Identity",
    "InstanceNorm1d",
    "InstanceNorm2d",
    "InstanceNorm3d",
    "KANLinear",
    "KLDivLoss",
    "L1Loss",
    "LayerNorm",
    "LeakyReLU",
    "LearnedPositions",
    "Linear",
    "Lion",
    "LoRA",
    "Loader",
    "LocalPenalty",
    "LogSigmoid",
    "LogSoftmax",
    "MSELoss",
    "Mamba",
    "MaxPool1d",
    "MaxPool2d",
    "MaxPool3d",
    "Mish",
    "Module",
    "MultiheadAttention",
    "Muon",
    "NLLLoss",
    "Objective",
    "PReLU",
    "Parameter",
    "PixelShuffle",
    "RMSNorm",
    "RMSprop",
    "ReLU",
    "ReLU6",
    "Reshape",
    "Residual",
    "RotaryPositions",
    "Sequential",
    "ShapeError",
    "SiLU",
    "Sigmoid",
    "SinusoidalPositions",
    "Softmax",
    "Softplus",
    "Softsign",
    "SpectralPenalty",
    "Take",
    "Tanh",
    "Tensor",
    "TorchSource",
    "Traced",
    "Trainer",
    "TrainingError",
    "TransformerDecoder",
    "TransformerDecoderLayer",
    "TransformerEncoder",
    "TransformerEncoderLayer",
    "Upsample",
    "ZeroPad1d",
    "ZeroPad2d",
    "ZeroPad3d",
    "accuracy",
    "bpe_tokenizer",
    "causal_mask",
    "dataset",
    "digits",
    "from_torch",
    "functional",
    "initial",
    "lipschitz",
    "load_tensors",
    "lora",
    "merged",
    "read_csv",
    "read_images",
    "read_npy",
    "read_npz",
    "read_text",
    "save_tensors",
    "scaled_dot_product_attention",
    "schedule",
    "selective_scan",
    "to_onnx",
    "to_torch",
    "trace",
    "windows",
]  # fmt: skip
