# Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Grows random valid ONNX graphs; see random_graphs.py."""

import numpy as np
import onnx
from graph_growth import FLOATS, Growth, Invalid
from onnx import helper

UNARY = (
    "Relu LeakyRelu Sigmoid Tanh Exp Log Sqrt Abs Neg Reciprocal Erf Sin Cos Atan"
    " Asinh Sinh Cosh Softplus Softsign Elu Selu Celu HardSigmoid HardSwish Mish Gelu"
    " ThresholdedRelu Floor Ceil Round Sign Identity Shrink Dropout Tan Asin Acos"
    " Acosh Atanh"
).split()
REDUCTIONS = (
    "ReduceSum ReduceMean ReduceMax ReduceMin ReduceProd ReduceL1 ReduceL2"
    " ReduceLogSumExp ReduceSumSquare ReduceLogSum"
).split()
INTEGERS = (np.int64, np.int32, np.int8, np.uint8, np.int16, np.uint16)


class Graph(Growth):
    """A random graph; the families of operators it is made of."""

    def propose(self):
        family = self.pick(
            *[self.unary] * 4,
            *[self.binary] * 5,
            *[self.reduce] * 3,
            *[self.products] * 3,
            *[self.conv] * 3,
            *[self.pool] * 2,
            *[self.norm] * 3,
            *[self.reshape] * 4,
            *[self.transpose] * 2,
            *[self.slice] * 2,
            *[self.concat] * 2,
            *[self.split],
            *[self.gather] * 3,
            *[self.scatter],
            *[self.pad] * 2,
            *[self.where] * 2,
            *[self.cast] * 3,
            *[self.order] * 2,
            *[self.integers] * 2,
            *[self.resize],
            *[self.blocks],
            *[self.quantized],
            *[self.tiled],
        )
        family()

    # Families of operators.

    def unary(self):
        op = self.pick(*UNARY)
        attributes = {}
        if op in ("LeakyRelu", "Elu", "Celu", "ThresholdedRelu") and self.chance(0.5):
            attributes["alpha"] = float(self.rng.uniform(0.1, 1.5))
        if op == "Gelu":
            attributes["approximate"] = self.pick("none", "tanh")
        kind = self.pick(np.float32, np.float32, np.float32, np.float16)
        if self.chance(0.1):
            x = self.value(FLOATS)
            low, high = sorted(self.rng.normal(size=2))
            kind = self.of(x).dtype
            bounds = [self.constant(v, kind) for v in (low, high)]
            self.node("Clip", [x, *bounds])
            return
        self.node(op, [self.value((kind,))], **attributes)

    def binary(self):
        op = self.pick(
            *"Add Sub Mul Div Max Min Pow PRelu Mod Less Greater Equal Sum Mean"
            " LessOrEqual GreaterOrEqual Add Mul Sub".split()
        )
        x = self.value((*FLOATS, np.float32, np.int64, np.int32))
        y = self.partner(x)
        operands = [x, y]
        if op == "Pow" and self.chance(0.7):
            kind = self.of(x).dtype
            operands = [x, self.constant(self.pick(2, 3, 1, 0), kind)]
        elif op in ("Max", "Min", "Sum", "Mean") and self.chance(0.4):
            operands.append(self.partner(x))
        elif op not in ("PRelu",) and self.chance(0.4):
            operands.reverse()
        extra = {"fmod": 1} if op == "Mod" and self.of(x).dtype.type in FLOATS else {}
        self.node(op, operands, **extra)

    def where(self):
        if self.chance(0.4):
            masks = self.value((np.bool_,))
            if self.chance(0.5):
                self.node(self.pick("And", "Or", "Xor"), [masks, self.partner(masks)])
            else:
                self.node("Not", [masks])
            return
        x = self.value((np.float32, np.int64, np.int32, np.float16))
        y = self.partner(x)
        shape = np.broadcast_shapes(self.of(x).shape, self.of(y).shape)
        masks = [
            name
            for name, a in self.values.items()
            if a.dtype == np.bool_ and self.fits(a.shape, shape)
        ]
        mask = (
            self.pick(*masks)
            if masks
            else self.constant(
                self.numbers([s if self.chance(0.7) else 1 for s in shape], np.bool_)
            )
        )
        self.node("Where", [mask, x, y])

    @staticmethod
    def fits(a, b):
        try:
            np.broadcast_shapes(a, b)
            return True
        except ValueError:
            return False

    def reduce(self):
        kinds = (np.float32, np.float32, np.int32, np.int64)
        x = self.value((self.pick(*kinds),), least=1)
        rank, kind = self.of(x).ndim, self.of(x).dtype.type
        what = self.integer(0, 6)
        if what == 0:
            self.node(
                self.pick("ArgMax", "ArgMin"),
                [x],
                axis=self.axis(rank),
                keepdims=self.integer(0, 2),
                select_last_index=self.integer(0, 2),
            )
        elif what == 1:
            self.node(
                "CumSum",
                [x, self.constant(self.axis(rank), np.int64)],
                exclusive=self.integer(0, 2),
                reverse=self.integer(0, 2),
            )
        else:
            operands = [x]
            extra = {}
            if self.chance(0.9):
                operands.append(self.i64(*self.axes(rank)))
            elif self.chance(0.5):
                extra["noop_with_empty_axes"] = 1
            op = self.pick(*REDUCTIONS)
            if "Log" in op and kind not in FLOATS:
                raise Invalid("decided by rounding")
            self.node(op, operands, keepdims=self.integer(0, 2), **extra)

    def products(self):
        what = self.integer(0, 4)
        x = self.value(rank=2) if what == 1 else self.value(least=1)
        a = self.of(x)
        size = a.shape[-1]
        width = self.integer(1, 20)
        if what == 0 and a.ndim >= 2:
            fitting = [
                n
                for n, b in self.values.items()
                if b.dtype == a.dtype and b.ndim >= 2 and b.shape[-2] == size
            ]
            if fitting:
                self.node("MatMul", [x, self.pick(*fitting)])
            else:  # With its own transpose.
                perm = [*range(a.ndim - 2), a.ndim - 1, a.ndim - 2]
                self.node("MatMul", [x, self.node("Transpose", [x], perm=perm)])
        elif what == 1:
            trans = [self.integer(0, 2), self.integer(0, 2)]
            rows, inner = (size, a.shape[0]) if trans[0] else a.shape
            weights = (width, inner) if trans[1] else (inner, width)
            operands = [x, self.constant(self.numbers(weights, scale=inner**-0.5))]
            if self.chance(0.7):
                bias = self.pick((width,), (1, width), (rows, 1), (rows, width), ())
                operands.append(self.constant(self.numbers(bias)))
            self.node(
                "Gemm",
                operands,
                transA=trans[0],
                transB=trans[1],
                alpha=self.pick(1.0, 0.5),
                beta=self.pick(1.0, 0.25),
            )
        elif what == 2 and a.ndim in (2, 3):
            w = self.constant(self.numbers((size, width), scale=size**-0.5))
            equation = self.pick("ij,jk->ik", "ij,jk->ki", "ij,jk")
            if a.ndim == 3:
                equation = self.pick("bij,jk->bik", "bij,jk->ikb", "...j,jk->...k")
            self.node("Einsum", [x, w], equation=equation)
        else:
            shape = self.pick((size,), (size, width), (size, width), (1, size, width))
            w = self.constant(self.numbers(shape, scale=size**-0.5))
            self.node("MatMul", [x, w])

    def windows(self, space, attributes, kernel):
        """Strides, dilations and pads, or auto_pad."""
        ones = [1] * len(space)
        attributes["kernel_shape"] = kernel
        attributes["strides"] = [self.pick(1, 1, 2, 3) for _ in space]
        if self.chance(0.2):
            attributes["auto_pad"] = self.pick("SAME_UPPER", "SAME_LOWER", "VALID")
        elif self.chance(0.7):
            attributes["pads"] = [self.integer(0, k) for k in kernel * 2]
        if self.chance(0.2) and "auto_pad" not in attributes:
            attributes["dilations"] = [self.pick(1, 2) for _ in ones]

    def spatial(self):
        x = self.value(least=3)
        a = self.of(x)
        if a.ndim > 5:
            raise Invalid("rank")
        return x, a.shape[1], a.shape[2:]

    def conv(self):
        x, channels, space = self.spatial()
        groups = self.pick(1, 1, channels, 2 if channels % 2 == 0 else 1)
        kernel = [self.integer(1, min(4, size + 1)) for size in space]
        attributes = {"group": groups}
        self.windows(space, attributes, kernel)
        out = groups * self.integer(1, max(2, 16 // groups))
        transposed = self.chance(0.3)
        shape = (
            (channels, out // groups, *kernel)
            if transposed
            else (out, channels // groups, *kernel)
        )
        fan = max(1, int(np.prod(kernel)) * channels // groups)
        operands = [x, self.constant(self.numbers(shape, scale=fan**-0.5))]
        if self.chance(0.6):
            operands.append(self.constant(self.numbers((out,), scale=0.3)))
        if transposed and self.chance(0.3):
            attributes["output_padding"] = [
                self.integer(0, s) for s in attributes["strides"]
            ]
        self.node("ConvTranspose" if transposed else "Conv", operands, **attributes)

    def pool(self):
        x, _, space = self.spatial()
        if self.chance(0.25):
            self.node(
                self.pick("GlobalAveragePool", "GlobalMaxPool", "GlobalLpPool"), [x]
            )
            return
        kernel = [self.integer(1, min(4, size + 1)) for size in space]
        op = self.pick("MaxPool", "MaxPool", "AveragePool", "AveragePool", "LpPool")
        attributes = {}
        self.windows(space, attributes, kernel)
        ceil = self.chance(0.3)
        if ceil:
            attributes["ceil_mode"] = 1
        if op == "AveragePool":
            attributes["count_include_pad"] = self.integer(0, 2)
        cut = any(s > k for s, k in zip(attributes["strides"], kernel, strict=True))
        if op == "AveragePool" and cut and "SAME" in attributes.get("auto_pad", ""):
            raise Invalid("ONNX Runtime pads by less than nothing")
        if op == "LpPool":
            attributes["p"] = self.pick(1, 2, 3)
        if op != "MaxPool" and self.opset < 19:
            attributes.pop("dilations", None)
        pads = attributes.get("pads", [0] * (2 * len(space)))
        for d, size in enumerate(space):
            extent = (kernel[d] - 1) * attributes.get("dilations", [1] * 9)[d] + 1
            if not ceil and extent > size + pads[d] + pads[d + len(space)]:
                raise Invalid("no window fits")
        if op == "MaxPool" and self.chance(0.2):
            self.node(op, [x], outputs=2, **attributes)
            return
        self.node(op, [x], **attributes)

    def norm(self):
        x = self.value(least=2)
        a = self.of(x)
        channels = a.shape[1]

        def per(size, low=-1.0):
            return self.constant(self.rng.uniform(low, 1.5, size), np.float32)

        op = self.pick(
            *"Softmax LogSoftmax Softmax LayerNormalization BatchNormalization"
            " InstanceNormalization LpNormalization LRN MeanVarianceNormalization"
            " Hardmax GroupNormalization".split()
        )
        if op in ("Softmax", "LogSoftmax", "Hardmax"):
            self.node(op, [x], axis=self.axis(a.ndim))
        elif op == "LayerNormalization":
            axis = self.axis(a.ndim)
            shape = a.shape[axis:]
            operands = [x, per(shape), per(shape)][: self.pick(2, 3)]
            self.node(op, operands, axis=axis)
        elif op == "BatchNormalization":
            size = (channels,)
            self.node(op, [x, per(size), per(size), per(size), per(size, 0.5)])
        elif op == "InstanceNormalization":
            self.node(op, [x, per((channels,)), per((channels,))], epsilon=0.01)
        elif op == "GroupNormalization":
            if self.opset < 21:
                raise Invalid("deprecated there, with other operands")
            groups = self.pick(1, channels)
            size = (channels,)
            self.node(op, [x, per(size), per(size)], num_groups=groups, epsilon=0.01)
        elif op == "LpNormalization":
            self.node(op, [x], axis=self.axis(a.ndim), p=self.pick(1, 2))
        elif op == "LRN":
            self.node(op, [x], size=self.pick(1, 3, 5))
        else:
            self.node(op, [x], axes=self.axes(a.ndim))

    ANY = (np.float32, np.float32, np.int64, np.bool_, np.float16, np.int32, np.uint8)

    def any(self, least=0):
        return self.value((self.pick(*self.ANY),), least=least)

    def reshape(self):
        x = self.any()
        a = self.of(x)
        what = self.integer(0, 5)
        if what == 0 and a.ndim:
            self.node("Flatten", [x], axis=self.integer(-a.ndim, a.ndim + 1))
        elif what == 1 and 1 in a.shape:
            ones = [i for i, size in enumerate(a.shape) if size == 1]
            if self.chance(0.3):
                self.node("Squeeze", [x])
            else:
                self.node("Squeeze", [x, self.i64(self.pick(*ones))])
        elif what == 2 and a.ndim < 5:
            self.node("Unsqueeze", [x, self.i64(self.integer(-a.ndim - 1, a.ndim + 1))])
        else:
            sizes = self.factors(a.size)
            if self.chance(0.4):
                sizes[self.integer(0, len(sizes))] = -1
            self.node("Reshape", [x, self.i64(*sizes)])

    def factors(self, size):
        rank = self.integer(1, 6)
        sizes = [1] * rank
        factor = 2
        while size > 1:
            while size % factor:
                factor += 1
            sizes[self.integer(0, rank)] *= factor
            size //= factor
        return sizes

    def transpose(self):
        x = self.any(least=2)
        rank = self.of(x).ndim
        if self.chance(0.15) and self.of(x).ndim >= 2:
            self.node(
                "Trilu", [x, self.i64(self.integer(-2, 3))][: self.pick(1, 2)],
                upper=self.integer(0, 2),
            )  # fmt: skip
            return
        perm = [int(i) for i in self.rng.permutation(rank)]
        self.node("Transpose", [x], perm=perm)

    def slice(self):
        x = self.any(least=1)
        a = self.of(x)
        axes = self.axes(a.ndim)
        starts, ends, steps = [], [], []
        for axis in axes:
            size = a.shape[axis]
            step = self.pick(1, 1, 1, 2, 3, -1, -2)
            start, end = sorted(self.rng.integers(0, size + 1, 2).tolist())
            if step < 0:
                start, end = end, start - 1 if start else -(size + 5)
            elif self.chance(0.2):
                end = 2**62
            if start and self.chance(0.3):
                start -= size
            starts.append(start)
            ends.append(end)
            steps.append(step)
        self.node("Slice", [x, *(self.i64(*v) for v in (starts, ends, axes, steps))])

    def concat(self):
        x = self.any(least=1)
        a = self.of(x)
        axis = self.axis(a.ndim)

        def rest(b):
            return np.delete(b.shape, axis).tolist()

        fitting = [
            name
            for name, b in self.values.items()
            if b.dtype == a.dtype and b.ndim == a.ndim and rest(b) == rest(a)
        ]
        others = [self.pick(*fitting) for _ in range(self.pick(1, 1, 2, 3))]
        if self.chance(0.3):
            shape = list(a.shape)
            shape[axis] = self.integer(1, 5)
            others.append(self.constant(self.numbers(shape, a.dtype.type)))
        self.node("Concat", [x, *others], axis=axis)

    def split(self):
        x = self.any(least=1)
        a = self.of(x)
        axis = self.axis(a.ndim)
        size = a.shape[axis]
        if size < 2:
            raise Invalid("size")
        count = self.integer(2, min(4, size) + 1)
        if self.chance(0.4):
            self.node("Split", [x], outputs=count, axis=axis, num_outputs=count)
            return
        cuts = sorted(self.rng.permutation(np.arange(1, size))[: count - 1].tolist())
        sizes = np.diff([0, *cuts, size]).tolist()
        self.node("Split", [x, self.i64(*sizes)], outputs=count, axis=axis)

    def indices(self, shape, size):
        """Places below `size`, negative ones too, constant or computed."""
        if self.chance(0.3):
            x = self.value((np.int64, np.int32))
            limit = self.constant(size, self.of(x).dtype)
            return self.node("Mod", [x, limit])
        kind = self.pick(np.int64, np.int32)
        return self.constant(self.rng.integers(-size, size, shape), kind)

    def gather(self):
        x = self.any(least=1)
        a = self.of(x)
        axis = self.axis(a.ndim)
        size = a.shape[axis]
        what = self.integer(0, 4)
        if what < 2:
            shape = self.shape(self.pick(0, 1, 1, 2))
            self.node("Gather", [x, self.indices(shape, size)], axis=axis)
        elif what == 2:
            shape = [self.integer(1, s + 1) for s in a.shape]
            shape[axis] = self.integer(1, 8)
            places = self.constant(self.rng.integers(-size, size, shape), np.int64)
            self.node("GatherElements", [x, places], axis=axis)
        else:
            depth = self.integer(1, a.ndim + 1)
            lead = self.shape(self.pick(1, 2))
            places = np.stack(
                [self.rng.integers(-s, s, lead) for s in a.shape[:depth]], -1
            )
            self.node("GatherND", [x, self.constant(places, np.int64)])

    def scatter(self):
        x = self.value((self.pick(np.float32, np.float32, np.int64),), least=1)
        a = self.of(x)
        axis = self.axis(a.ndim)
        how = self.pick("none", "add", "mul", "max", "min")
        if self.chance(0.5):
            shape = [self.integer(1, s + 1) for s in a.shape]
            size = a.shape[axis]
            places = np.argsort(self.rng.random((*shape, size)), -1)[..., 0]
            if how == "none":  # No place twice.
                order = np.argsort(self.rng.random(a.shape), axis)
                places = order[tuple(slice(0, s) for s in shape)]
            updates = self.numbers(shape, a.dtype.type)
            operands = [x, self.constant(places, np.int64), self.constant(updates)]
            self.node("ScatterElements", operands, axis=axis, reduction=how)
            return
        depth = self.integer(1, a.ndim + 1)
        count = self.integer(1, min(6, int(np.prod(a.shape[:depth]))) + 1)
        flat = self.rng.permutation(int(np.prod(a.shape[:depth])))[:count]
        places = np.stack(np.unravel_index(flat, a.shape[:depth]), -1)
        updates = self.numbers((count, *a.shape[depth:]), a.dtype.type)
        operands = [x, self.constant(places, np.int64), self.constant(updates)]
        self.node("ScatterND", operands, reduction=how)

    def pad(self):
        x = self.value((self.pick(np.float32, np.float32, np.int64),), least=1)
        a = self.of(x)
        mode = self.pick("constant", "constant", "reflect", "edge", "wrap")
        if mode == "wrap" and self.opset < 19:
            mode = "edge"
        least = -1 if mode == "constant" else 0
        pads = [self.integer(least, max(1, min(3, s))) for s in a.shape * 2]
        operands = [x, self.i64(*pads)]
        if mode == "constant" and self.chance(0.5):
            operands.append(self.constant(self.numbers((), a.dtype.type)))
        self.node("Pad", operands, mode=mode)

    def cast(self):
        x = self.value((*FLOATS, *INTEGERS, np.bool_, np.float32))
        source = self.of(x)
        kind = self.pick(np.float32, *FLOATS, *INTEGERS, np.bool_)
        if source.dtype.type in FLOATS and kind in INTEGERS:
            limits, numbers = np.iinfo(kind), source.astype(np.float64)
            if numbers.min() < limits.min or numbers.max() > limits.max:
                raise Invalid("what is out of range is not defined")
        self.node("Cast", [x], to=helper.np_dtype_to_tensor_dtype(np.dtype(kind)))

    def order(self):
        what = self.integer(0, 3)
        kind = self.pick(np.float32, np.float32, np.int64, np.int32)
        x = self.value((kind,), least=1)
        a = self.of(x)
        axis = self.axis(a.ndim)
        if what == 0:
            k = self.i64(self.integer(1, a.shape[axis] + 1))
            self.node("TopK", [x, k], outputs=2, axis=axis, largest=self.integer(0, 2))
        elif what == 1 and a.ndim >= 2:
            time, batch = self.pick((0, 1), (1, 0))
            lengths = self.rng.integers(1, a.shape[time] + 1, a.shape[batch])
            self.node(
                "ReverseSequence",
                [x, self.constant(lengths, np.int64)],
                time_axis=time,
                batch_axis=batch,
            )
        else:
            condition = self.rng.integers(0, 2, a.shape[axis]).astype(np.bool_)
            if not condition.any():
                condition[0] = True
            self.node("Compress", [x, self.constant(condition)], axis=axis)

    def integers(self):
        x = self.value((self.pick(*INTEGERS, np.int64, np.int32),))
        a = self.of(x)
        what = self.integer(0, 7)
        if what == 0:
            self.node(
                self.pick("BitwiseAnd", "BitwiseOr", "BitwiseXor"),
                [x, self.partner(x)],
            )
        elif what == 1:
            self.node("BitwiseNot", [x])
        elif what == 2:
            divisor = self.constant(self.pick(2, 3, 7), a.dtype)
            self.node(self.pick("Mod", "Div"), [x, divisor])
        elif what == 3:
            op = self.pick("Abs", "Neg", "Sign")
            self.node(op, [x])
        elif what == 4:
            depth = self.i64(self.integer(2, 12))
            values = self.constant(self.numbers((2,)))
            self.node(
                "OneHot", [x, depth, values], axis=self.integer(-a.ndim - 1, a.ndim + 1)
            )
        elif what == 5:
            y = self.node("Shape", [self.any(least=1)])
            self.node("Cast", [y], to=onnx.TensorProto.FLOAT)
        else:
            y = self.any(least=2)
            if self.of(y).ndim != 2:
                raise Invalid("rank")
            self.node(
                "EyeLike", [y], dtype=onnx.TensorProto.FLOAT, k=self.integer(-1, 3)
            )

    def resize(self):
        x, _, space = self.spatial()
        mode = self.pick("nearest", "nearest", "linear", "cubic")
        if mode != "nearest" and len(space) > 2:
            raise Invalid("rank")
        if mode == "cubic" and len(space) != 2:
            raise Invalid("rank")
        attributes = {
            "mode": mode,
            "coordinate_transformation_mode": self.pick(
                "half_pixel", "asymmetric", "align_corners", "pytorch_half_pixel"
            ),
        }
        if mode == "nearest":
            attributes["nearest_mode"] = self.pick("floor", "round_prefer_floor")
        shape = self.of(x).shape
        aligned = attributes["coordinate_transformation_mode"] == "align_corners"
        # With those two ONNX Runtime rounds the length first, ONNX does not.
        if self.chance(0.5) and not aligned:
            scales = [1.0, 1.0, *(self.pick(0.5, 1.0, 2.0, 3.0) for _ in space)]
            operands = [x, "", self.constant(scales, np.float32)]
        else:
            sizes = [*shape[:2], *(self.integer(1, 2 * s + 2) for s in space)]
            if mode == "nearest":  # Half ways are up to the rounding of scales.
                attributes["nearest_mode"] = "floor"
            operands = [x, "", "", self.i64(*sizes)]
        self.node("Resize", operands, **attributes)

    def blocks(self):
        x = self.value(rank=4)
        a = self.of(x)
        if a.shape[1] % 4 == 0:
            self.node("DepthToSpace", [x], blocksize=2, mode=self.pick("DCR", "CRD"))
        else:
            self.node("SpaceToDepth", [x], blocksize=2)

    def quantized(self):
        x = self.value()
        scale = self.constant(self.pick(0.05, 0.1, 0.3), np.float32)
        kind = self.pick(np.int8, np.uint8)
        zero = self.constant(self.integer(0, 20), kind)
        y = self.node("QuantizeLinear", [x, scale, zero])
        self.node("DequantizeLinear", [y, scale, zero])

    def tiled(self):
        x = self.any(least=1)
        a = self.of(x)
        if self.chance(0.5):
            repeats = [self.pick(1, 1, 2, 3) for _ in a.shape]
            self.node("Tile", [x, self.i64(*repeats)])
        else:
            shape = [s if s > 1 else self.pick(1, 2, 4) for s in a.shape]
            lead = [self.integer(1, 4)] * self.pick(0, 0, 1)
            self.node("Expand", [x, self.i64(*lead, *shape)])
