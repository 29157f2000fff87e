# Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The networks `train.py` knows, as PyTorch modules.

Every network takes float32 [N, 1, 28, 28] in [0, 1] and returns logits
float32 [N, 10]. `resnet8` and `encoder` are the ones shipped; the others cover
operators and graph shapes that those two lack, so that a compiler can be
measured on networks it was not developed with.
"""

import dataclasses
from collections.abc import Callable

import torch
from torch import nn
from torch.nn import functional as F

CLASSES = 10
IMAGE = 28


@dataclasses.dataclass(frozen=True)
class Architecture:
    """A network, how it is trained and how it is exported by default."""

    build: Callable[[], nn.Module]
    summary: str
    epochs: int
    optimizer: str  # "sgd" or "adamw"
    learning_rate: float  # the peak of the one-cycle schedule
    weight_decay: float
    batch: int = 256
    shift: int = 2  # training images move by up to this many pixels
    exporter: str = "torchscript"  # or "dynamo"
    opset: int = 17
    keep_batch_norm: bool = False  # BatchNormalization stays a node
    dynamic_batch: bool = False


class Normalize(nn.Module):
    """(x - mean) / std of the training pixels, as nodes of the graph."""

    def __init__(self, mean=0.286, std=0.353):
        super().__init__()
        self.mean, self.std = mean, std

    def forward(self, x):
        return (x - self.mean) / self.std


class ConvBN(nn.Sequential):
    """Convolution without bias, batch norm and an optional activation."""

    def __init__(self, cin, cout, kernel, stride=1, groups=1, act=nn.ReLU):
        super().__init__()
        self.add_module(
            "conv",
            nn.Conv2d(
                cin,
                cout,
                kernel,
                stride,
                kernel // 2,
                groups=groups,
                bias=False,
            ),
        )
        self.add_module("bn", nn.BatchNorm2d(cout))
        if act is not None:
            self.add_module("act", act())


# ------------------------------------------------------------------ CNNs


class BasicBlock(nn.Module):
    """Two 3x3 convolutions and a residual sum."""

    def __init__(self, cin, cout, stride):
        super().__init__()
        self.conv1 = ConvBN(cin, cout, 3, stride)
        self.conv2 = ConvBN(cout, cout, 3, act=None)
        self.shortcut = (
            ConvBN(cin, cout, 1, stride, act=None)
            if stride != 1 or cin != cout
            else nn.Identity()
        )
        self.relu = nn.ReLU()

    def forward(self, x):
        return self.relu(self.conv2(self.conv1(x)) + self.shortcut(x))


class ResNet8(nn.Module):
    """A 3x3 stem, three residual blocks, global average pool, classifier."""

    def __init__(self, width=16):
        super().__init__()
        self.stem = ConvBN(1, width, 3)
        self.block1 = BasicBlock(width, width, 1)
        self.block2 = BasicBlock(width, 2 * width, 2)
        self.block3 = BasicBlock(2 * width, 4 * width, 2)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten()
        self.fc = nn.Linear(4 * width, CLASSES)

    def forward(self, x):
        x = self.block3(self.block2(self.block1(self.stem(x))))
        return self.fc(self.flatten(self.pool(x)))


class VGG(nn.Module):
    """Plain convolutions with bias, max pooling, two hidden Linear layers."""

    def __init__(self, widths=(16, 32, 48)):
        super().__init__()
        layers, cin = [], 1
        for width in widths:
            layers += [nn.Conv2d(cin, width, 3, padding=1), nn.ReLU()]
            layers += [nn.Conv2d(width, width, 3, padding=1), nn.ReLU()]
            layers += [nn.MaxPool2d(2)]
            cin = width
        self.normalize = Normalize()
        self.features = nn.Sequential(*layers)
        self.classifier = nn.Sequential(
            nn.Flatten(),
            nn.Linear(cin * 9, 128),
            nn.ReLU(),
            nn.Dropout(0.2),
            nn.Linear(128, 64),
            nn.ReLU(),
            nn.Linear(64, CLASSES),
        )

    def forward(self, x):
        return self.classifier(self.features(self.normalize(x)))


class InvertedResidual(nn.Module):
    """Expand 1x1, depthwise 3x3, project 1x1; a sum where shapes allow it."""

    def __init__(self, cin, cout, stride, expand):
        super().__init__()
        hidden = cin * expand
        self.expand = ConvBN(cin, hidden, 1, act=nn.ReLU6)
        self.depthwise = ConvBN(hidden, hidden, 3, stride, groups=hidden, act=nn.ReLU6)
        self.project = ConvBN(hidden, cout, 1, act=None)
        self.residual = stride == 1 and cin == cout

    def forward(self, x):
        y = self.project(self.depthwise(self.expand(x)))
        return x + y if self.residual else y


class MobileNet(nn.Module):
    """Inverted residuals with depthwise convolutions and ReLU6."""

    def __init__(self):
        super().__init__()
        self.stem = ConvBN(1, 16, 3, 2, act=nn.ReLU6)
        blocks = [(16, 24, 1, 2), (24, 24, 1, 4), (24, 40, 2, 4)]
        blocks += [(40, 40, 1, 4), (40, 64, 2, 4), (64, 64, 1, 3)]
        self.blocks = nn.Sequential(*(InvertedResidual(*b) for b in blocks))
        self.last = ConvBN(64, 128, 1, act=nn.ReLU6)
        self.dropout = nn.Dropout(0.1)
        self.fc = nn.Linear(128, CLASSES)

    def forward(self, x):
        x = self.last(self.blocks(self.stem(x)))
        return self.fc(self.dropout(x.mean((2, 3))))


class Branches(nn.Module):
    """1x1, 3x3 and 5x5 branches beside a pooled one, concatenated."""

    def __init__(self, cin, cout):
        super().__init__()
        part = cout // 4
        self.point = ConvBN(cin, part, 1, act=nn.SiLU)
        self.three = nn.Sequential(
            ConvBN(cin, part, 1, act=nn.SiLU),
            ConvBN(part, part, 3, act=nn.SiLU),
        )
        self.five = nn.Sequential(
            ConvBN(cin, part, 1, act=nn.SiLU),
            ConvBN(part, part, 5, groups=2, act=nn.SiLU),
        )
        self.pooled = nn.Sequential(
            nn.AvgPool2d(3, 1, 1), ConvBN(cin, part, 1, act=nn.SiLU)
        )

    def forward(self, x):
        return torch.cat(
            [self.point(x), self.three(x), self.five(x), self.pooled(x)], 1
        )


class Squeeze(nn.Module):
    """Squeeze-and-excitation: channels scaled by a gate of their means."""

    def __init__(self, channels):
        super().__init__()
        self.reduce = nn.Conv2d(channels, channels // 4, 1)
        self.expand = nn.Conv2d(channels // 4, channels, 1)

    def forward(self, x):
        gate = x.mean((2, 3), keepdim=True)
        return x * torch.sigmoid(self.expand(F.relu(self.reduce(gate))))


class Wide(nn.Module):
    """5x5 stem, inception-like branches, strides, average pools."""

    def __init__(self, width=32):
        super().__init__()
        self.normalize = Normalize()
        self.stem = ConvBN(1, width, 5, 2, act=nn.SiLU)
        self.mix1 = Branches(width, 2 * width)
        self.down = ConvBN(2 * width, 3 * width, 3, 2, act=nn.SiLU)
        self.squeeze = Squeeze(3 * width)
        self.mix2 = Branches(3 * width, 4 * width)
        self.pool = nn.AvgPool2d(2, 2, ceil_mode=False)
        self.dropout = nn.Dropout(0.1)
        self.fc = nn.Linear(4 * width * 9, CLASSES)

    def forward(self, x):
        x = self.mix1(self.stem(self.normalize(x)))
        x = self.pool(self.mix2(self.squeeze(self.down(x))))
        return self.fc(self.dropout(torch.flatten(x, 1)))


# ---------------------------------------------------------- transformers


class PatchEmbedding(nn.Module):
    """A strided convolution: [N, 1, 28, 28] -> tokens [N, T, D]."""

    def __init__(self, dim, patch):
        super().__init__()
        self.dim = dim
        self.tokens = (IMAGE // patch) ** 2
        self.proj = nn.Conv2d(1, dim, patch, patch)

    def forward(self, x):
        return self.proj(x).reshape(-1, self.dim, self.tokens).transpose(1, 2)


class Attention(nn.Module):
    """Multi-head self-attention, written out, with separate q, k and v."""

    def __init__(self, dim, heads, tokens):
        super().__init__()
        self.heads, self.head_dim = heads, dim // heads
        self.tokens, self.dim = tokens, dim
        self.q = nn.Linear(dim, dim)
        self.k = nn.Linear(dim, dim)
        self.v = nn.Linear(dim, dim)
        self.softmax = nn.Softmax(-1)
        self.out = nn.Linear(dim, dim)

    def _split(self, x):
        # The sizes are Python numbers, so that the exported shape is constant.
        x = x.reshape(-1, self.tokens, self.heads, self.head_dim)
        return x.transpose(1, 2)

    def forward(self, x):
        q, k, v = (self._split(p(x)) for p in (self.q, self.k, self.v))
        scores = torch.matmul(q, k.transpose(2, 3)) * self.head_dim**-0.5
        y = torch.matmul(self.softmax(scores), v).transpose(1, 2)
        return self.out(y.reshape(-1, self.tokens, self.dim))


class MLP(nn.Module):
    def __init__(self, dim, hidden, act):
        super().__init__()
        self.fc1 = nn.Linear(dim, hidden)
        self.act = act
        self.fc2 = nn.Linear(hidden, dim)

    def forward(self, x):
        return self.fc2(self.act(self.fc1(x)))


class Block(nn.Module):
    """One encoder block, the norms before (`pre`) or after the sums."""

    def __init__(self, dim, heads, tokens, hidden, act, pre):
        super().__init__()
        self.pre = pre
        self.norm1 = nn.LayerNorm(dim)
        self.attention = Attention(dim, heads, tokens)
        self.norm2 = nn.LayerNorm(dim)
        self.mlp = MLP(dim, hidden, act)

    def forward(self, x):
        if self.pre:
            x = x + self.attention(self.norm1(x))
            return x + self.mlp(self.norm2(x))
        x = self.norm1(x + self.attention(x))
        return self.norm2(x + self.mlp(x))


def _learned(*shape):
    return nn.Parameter(nn.init.trunc_normal_(torch.empty(shape), std=0.02))


class Encoder(nn.Module):
    """Pre-LN vision transformer: 4x4 patches, learned positions, mean pool."""

    def __init__(self, dim=64, depth=3, heads=4, patch=4, hidden=128):
        super().__init__()
        self.normalize = Normalize()
        self.embed = PatchEmbedding(dim, patch)
        tokens = self.embed.tokens
        self.position = _learned(1, tokens, dim)
        self.blocks = nn.Sequential(
            *(
                Block(dim, heads, tokens, hidden, nn.GELU(), pre=True)
                for _ in range(depth)
            )
        )
        self.norm = nn.LayerNorm(dim)
        self.fc = nn.Linear(dim, CLASSES)

    def forward(self, x):
        x = self.embed(self.normalize(x)) + self.position
        return self.fc(self.norm(self.blocks(x)).mean(1))


class PostLNEncoder(nn.Module):
    """Post-LN transformer: a class token, tanh-GELU, 7x7 patches."""

    def __init__(self, dim=96, depth=2, heads=6, patch=7, hidden=192):
        super().__init__()
        self.normalize = Normalize()
        self.embed = PatchEmbedding(dim, patch)
        tokens = self.embed.tokens + 1
        self.token = _learned(1, 1, dim)
        self.position = _learned(1, tokens, dim)
        act = nn.GELU(approximate="tanh")
        self.norm = nn.LayerNorm(dim)
        self.blocks = nn.Sequential(
            *(Block(dim, heads, tokens, hidden, act, pre=False) for _ in range(depth))
        )
        self.fc = nn.Linear(dim, CLASSES)

    def forward(self, x):
        x = self.embed(self.normalize(x))
        x = torch.cat([self.token.expand(x.shape[0], -1, -1), x], 1)
        return self.fc(self.blocks(self.norm(x + self.position))[:, 0])


class FusedEncoder(nn.Module):
    """PyTorch's own encoder layers, whose q, k and v are one matrix."""

    def __init__(self, dim=64, depth=2, heads=2, hidden=160):
        super().__init__()
        self.stem = ConvBN(1, 32, 3, 2)
        self.embed = nn.Conv2d(32, dim, 2, 2)
        self.position = _learned(1, 49, dim)
        layer = nn.TransformerEncoderLayer(
            dim,
            heads,
            hidden,
            dropout=0.0,
            activation="gelu",
            batch_first=True,
            norm_first=True,
        )
        self.encoder = nn.TransformerEncoder(
            layer, depth, norm=nn.LayerNorm(dim), enable_nested_tensor=False
        )
        self.fc = nn.Linear(dim, CLASSES)

    def forward(self, x):
        x = self.embed(self.stem(x)).flatten(2).transpose(1, 2)
        return self.fc(self.encoder(x + self.position).amax(1))


ARCHITECTURES = {
    "resnet8": Architecture(
        ResNet8,
        "residual CNN, batch norm kept as nodes",
        epochs=7,
        optimizer="sgd",
        learning_rate=0.2,
        weight_decay=5e-4,
        keep_batch_norm=True,
    ),
    "encoder": Architecture(
        Encoder,
        "pre-LN transformer encoder on 4x4 patches",
        epochs=10,
        optimizer="adamw",
        learning_rate=2e-3,
        weight_decay=0.05,
        batch=64,
    ),
    "vgg": Architecture(
        VGG,
        "plain CNN with bias, max pooling and three Gemm",
        epochs=4,
        optimizer="adamw",
        learning_rate=3e-3,
        weight_decay=0.02,
        opset=13,
        dynamic_batch=True,
    ),
    "mobilenet": Architecture(
        MobileNet,
        "inverted residuals: depthwise convolutions, ReLU6",
        epochs=4,
        optimizer="sgd",
        learning_rate=0.2,
        weight_decay=2e-4,
        exporter="dynamo",
        opset=18,
    ),
    "wide": Architecture(
        Wide,
        "5x5 stem, grouped branches, concat, SiLU, squeeze-excite, AvgPool",
        epochs=4,
        optimizer="sgd",
        learning_rate=0.1,
        weight_decay=5e-4,
        opset=15,
    ),
    "postln": Architecture(
        PostLNEncoder,
        "post-LN transformer: class token, tanh-GELU, 7x7 patches",
        epochs=5,
        optimizer="adamw",
        learning_rate=2e-3,
        weight_decay=0.05,
        batch=64,
        shift=0,
        exporter="dynamo",
        opset=20,
    ),
    "fused": Architecture(
        FusedEncoder,
        "nn.TransformerEncoder with fused q, k, v, convolutional stem",
        epochs=4,
        optimizer="adamw",
        learning_rate=3e-3,
        weight_decay=0.05,
        batch=64,
        exporter="dynamo",
        opset=18,
        dynamic_batch=True,
    ),
}
