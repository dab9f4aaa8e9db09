"""The allowed names of PyTorch: those of `torch.load(weights_only=True)`, and its own modules.

A module of `torch.nn` is loaded by setting its attributes. Lazy modules and modules of other
packages are not allowed: their methods run when the state is set.
"""

from __future__ import annotations

from security.model_scan.pickle import call_rules, torch_rules
from security.model_scan.pickle.allowance import MAKE, NAME, Allowance, Table
from security.model_scan.pickle.torch_storage import ITEM

_RULED: Table = {
    f"torch._utils {name}": Allowance(call=rule) for name, rule in torch_rules.RULES.items()
}
_TYPES = " ".join((*torch_rules.SIZES, "bcomplex32"))
_QUANTIZERS = (
    "per_channel_affine per_channel_affine_float_qparams per_channel_symmetric per_tensor_affine"
    " per_tensor_symmetric"
)

TORCH: Table = {
    **_RULED,
    f"torch {_TYPES}": NAME,
    f"torch {_QUANTIZERS}": NAME,
    f"torch {' '.join(name for name in ITEM if name != 'UntypedStorage')}": NAME,
    "torch Tensor strided sparse_coo sparse_csr sparse_csc sparse_bsr sparse_bsc": NAME,
    "torch channels_last contiguous_format preserve_format": NAME,
    "torch Size": Allowance(call=call_rules.anything),
    "torch device": Allowance(call=call_rules.only_numbers),
    "torch.storage UntypedStorage": NAME,
    "torch.serialization _get_layout": Allowance(call=torch_rules.layout),
    "torch._tensor _rebuild_from_type_v2": Allowance(call=torch_rules.subclass),
    "torch._tensor Tensor": NAME,
    "torch.nn.parameter Parameter Buffer": NAME,
    "torch.torch_version TorchVersion": Allowance(True, call_rules.only_numbers),
    "torch._C _nn.gelu": NAME,
    "torch.nn.functional elu gelu leaky_relu relu sigmoid silu softmax tanh": NAME,
}

_MODULES = {
    "activation": (
        "CELU ELU GELU GLU Hardshrink Hardsigmoid Hardswish Hardtanh LeakyReLU LogSigmoid"
        " LogSoftmax Mish MultiheadAttention PReLU RReLU ReLU ReLU6 SELU SiLU Sigmoid Softmax"
        " Softmax2d Softmin Softplus Softshrink Softsign Tanh Tanhshrink Threshold"
    ),
    "adaptive": "AdaptiveLogSoftmaxWithLoss",
    "batchnorm": "BatchNorm1d BatchNorm2d BatchNorm3d SyncBatchNorm",
    "channelshuffle": "ChannelShuffle",
    "container": "ModuleDict ModuleList ParameterDict ParameterList Sequential",
    "conv": "Conv1d Conv2d Conv3d ConvTranspose1d ConvTranspose2d ConvTranspose3d",
    "distance": "CosineSimilarity PairwiseDistance",
    "dropout": "AlphaDropout Dropout Dropout1d Dropout2d Dropout3d FeatureAlphaDropout",
    "flatten": "Flatten Unflatten",
    "fold": "Fold Unfold",
    "instancenorm": "InstanceNorm1d InstanceNorm2d InstanceNorm3d",
    "linear": "Bilinear Identity Linear NonDynamicallyQuantizableLinear",
    "loss": (
        "BCELoss BCEWithLogitsLoss CTCLoss CosineEmbeddingLoss CrossEntropyLoss GaussianNLLLoss"
        " HingeEmbeddingLoss HuberLoss KLDivLoss L1Loss MSELoss MarginRankingLoss"
        " MultiLabelMarginLoss MultiLabelSoftMarginLoss MultiMarginLoss NLLLoss NLLLoss2d"
        " PoissonNLLLoss SmoothL1Loss SoftMarginLoss TripletMarginLoss"
    ),
    "module": "Module",
    "normalization": "CrossMapLRN2d GroupNorm LayerNorm LocalResponseNorm RMSNorm",
    "padding": (
        "CircularPad1d CircularPad2d CircularPad3d ConstantPad1d ConstantPad2d ConstantPad3d"
        " ReflectionPad1d ReflectionPad2d ReflectionPad3d ReplicationPad1d ReplicationPad2d"
        " ReplicationPad3d ZeroPad1d ZeroPad2d ZeroPad3d"
    ),
    "pixelshuffle": "PixelShuffle PixelUnshuffle",
    "pooling": (
        "AdaptiveAvgPool1d AdaptiveAvgPool2d AdaptiveAvgPool3d AdaptiveMaxPool1d AdaptiveMaxPool2d"
        " AdaptiveMaxPool3d AvgPool1d AvgPool2d AvgPool3d FractionalMaxPool2d FractionalMaxPool3d"
        " LPPool1d LPPool2d LPPool3d MaxPool1d MaxPool2d MaxPool3d MaxUnpool1d MaxUnpool2d"
        " MaxUnpool3d"
    ),
    "rnn": "GRU GRUCell LSTM LSTMCell RNN RNNCell",
    "sparse": "Embedding EmbeddingBag",
    "transformer": (
        "Transformer TransformerDecoder TransformerDecoderLayer TransformerEncoder"
        " TransformerEncoderLayer"
    ),
    "upsampling": "Upsample UpsamplingBilinear2d UpsamplingNearest2d",
}
MODULES: Table = {f"torch.nn.modules.{one} {names}": MAKE for one, names in _MODULES.items()}
