"""Whisper as two onnxruntime graphs, built from the weights at load.

Why not CTranslate2, for which the weights are made: on a processor without AVX-512 its int8 decoder
step costs three to four times what onnxruntime's does, and it cannot read forced text in one pass,
which is what makes checking a draft cheap (see `engine`).

Encoder: `mel` [1, mels, 2·(J + S)], `skip` [1] (J, the places in front that are there for what the
convolutions see of them), and what is known of the P places before, for each layer L `past_own_k.L`
and `past_own_v.L` [1, P, H·D], for each layer of the decoder `past_k.L` and `past_v.L` -> the same
of all P + S places, without `past_`: `own_k.L`, `own_v.L`, the keys and values that the encoder
attends to, and `k.L` [1, H, D, P + S], `v.L` [1, H, P + S, D], those that the decoder's cross
attention wants, keys transposed.

Decoder: `tokens` [1, N], `positions` [N], `mask` [N, T + N] (added to self-attention's scores),
`rows` [R] (of the N, those that are to predict), `k.L`, `v.L`, `past_k.L` and `past_v.L`
[1, H, T, D] -> `best` [R] (the likeliest next token that is text or the end), `logprob` [R] (its
log-probability), `logits` [V] (of the first row), `attention` [A, N, S] (the alignment heads'),
`next_k.L` and `next_v.L` [1, H, T + N, D].

Weights are int8 with a scale for each output, activations are quantised as they come; attention,
norms and sums are float32. What onnxruntime quantises gets one scale for all its rows, and the
tokens in front of a text are tens of times larger inside than those of the text. So the decoder
brings its rows to one size first: else a token that is read together with others is another one
than if it is read alone, and a draft changes the text (44 errors instead of 29 in 432 words, and
24 with rows of one size).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

from kaiwa.adapters.asr_whisper.weights import Weights

F32 = npt.NDArray[np.float32]

_OPSET = [helper.make_opsetid("", 21), helper.make_opsetid("com.microsoft", 1)]
_IR = 10
_EPSILON = 1e-5
_LEAST = 1e-9
"""To divide by where all is zero."""
_PENALTY = -1e3
"""On tokens that are never text: more than any logit, and it comes off again without a loss."""


def encoder_model(weights: Weights) -> bytes:
    """The encoder graph, serialised. Raises ValueError for weights of another shape."""
    graph = _Graph(weights)
    layers, decoder_layers = weights.layers
    x = graph.conv("mel", "encoder/conv1", stride=1)
    x = graph.conv(x, "encoder/conv2", stride=2)
    x = graph.add("Transpose", x, perm=[0, 2, 1])
    everything = graph.constant(np.array([np.iinfo(np.int64).max], np.int64))
    x = graph.add("Slice", x, "skip", everything, graph.constant(_axes(1)))
    places = graph.constant(weights.array("encoder/position_encodings/encodings"))
    start = graph.add("Gather", graph.add("Shape", "past_own_k.0"), graph.constant(_axes(1)))
    count = graph.add("Gather", graph.add("Shape", x), graph.constant(_axes(1)))
    end = graph.add("Add", start, count)
    x = graph.add("Add", x, graph.add("Slice", places, start, end))
    heads = int(weights.variables["encoder/num_heads"])
    inputs: list[tuple[str, int, list[int | None]]] = [
        ("mel", TensorProto.FLOAT, [1, weights.mels, None]),
        ("skip", TensorProto.INT64, [1]),
    ]
    outputs = []
    for layer in range(layers):
        name = f"encoder/layer_{layer}"
        y = graph.norm(x, f"{name}/self_attention/layer_norm")
        y = graph.linear(y, f"{name}/self_attention/linear_0")
        q, k, v = graph.split(y, 3)
        k = graph.add("Concat", f"past_own_k.{layer}", k, axis=1, into=f"own_k.{layer}")
        v = graph.add("Concat", f"past_own_v.{layer}", v, axis=1, into=f"own_v.{layer}")
        y = graph.add("MultiHeadAttention", q, k, v, domain="com.microsoft", num_heads=heads)
        x = graph.add("Add", x, graph.linear(y, f"{name}/self_attention/linear_1"))
        x = graph.feed_forward(x, name)
        size: list[int | None] = [1, None, weights.width]
        inputs += [(f"past_own_{kind}.{layer}", TensorProto.FLOAT, size) for kind in ("k", "v")]
        outputs += [(f"own_{kind}.{layer}", 3) for kind in ("k", "v")]
    x = graph.norm(x, "encoder/layer_norm")
    size = [1, weights.heads, None, None]
    for layer in range(decoder_layers):
        name = f"decoder/layer_{layer}/attention/linear_1"
        k, v = graph.split(graph.linear(x, name), 2)
        k = graph.add("Transpose", graph.heads(k), perm=[0, 1, 3, 2])
        graph.add("Concat", f"past_k.{layer}", k, axis=3, into=f"k.{layer}")
        graph.add("Concat", f"past_v.{layer}", graph.heads(v), axis=2, into=f"v.{layer}")
        inputs += [(f"past_{kind}.{layer}", TensorProto.FLOAT, size) for kind in ("k", "v")]
        outputs += [(f"{kind}.{layer}", 4) for kind in ("k", "v")]
    return graph.model(inputs, outputs)


def decoder_model(weights: Weights, suppressed: Sequence[int]) -> bytes:
    """The decoder graph, serialised; `suppressed` are the tokens that `best` never is."""
    graph = _Graph(weights, even_rows=True)
    _, layers = weights.layers
    embeddings = weights.array("decoder/embeddings/weight")
    x = graph.embedding("tokens", embeddings)
    places = graph.constant(weights.array("decoder/position_encodings/encodings"))
    x = graph.add("Add", x, graph.add("Gather", places, "positions"))
    aligning: dict[int, list[int]] = {}
    for layer, head in weights.alignment_heads:
        aligning.setdefault(layer, []).append(head)
    followed = []
    outputs = []
    inputs: list[tuple[str, int, list[int | None]]] = [
        ("tokens", TensorProto.INT64, [1, None]),
        ("positions", TensorProto.INT64, [None]),
        ("mask", TensorProto.FLOAT, [None, None]),
        ("rows", TensorProto.INT64, [None]),
    ]
    for layer in range(layers):
        name = f"decoder/layer_{layer}"
        y = graph.norm(x, f"{name}/self_attention/layer_norm")
        y = graph.linear(y, f"{name}/self_attention/linear_0", scaled=True)
        q, k, v = (graph.heads(part) for part in graph.split(y, 3))
        keys = graph.add("Concat", f"past_k.{layer}", k, axis=2, into=f"next_k.{layer}")
        values = graph.add("Concat", f"past_v.{layer}", v, axis=2, into=f"next_v.{layer}")
        scores = graph.add("MatMul", q, graph.add("Transpose", keys, perm=[0, 1, 3, 2]))
        shares = graph.add("Softmax", graph.add("Add", scores, "mask"), axis=-1)
        y = graph.joined(graph.add("MatMul", shares, values))
        x = graph.add("Add", x, graph.linear(y, f"{name}/self_attention/linear_1"))
        y = graph.norm(x, f"{name}/attention/layer_norm")
        q = graph.heads(graph.linear(y, f"{name}/attention/linear_0", scaled=True))
        shares = graph.add("Softmax", graph.add("MatMul", q, f"k.{layer}"), axis=-1)
        if layer in aligning:
            chosen = graph.constant(np.array(aligning[layer], np.int64))
            followed.append(graph.add("Gather", shares, chosen, axis=1))
        y = graph.joined(graph.add("MatMul", shares, f"v.{layer}"))
        x = graph.add("Add", x, graph.linear(y, f"{name}/attention/linear_2"))
        x = graph.feed_forward(x, name)
        size = [1, weights.heads, None, None]
        inputs += [(f"{kind}.{layer}", TensorProto.FLOAT, size) for kind in ("k", "v")]
        inputs += [(f"past_{kind}.{layer}", TensorProto.FLOAT, size) for kind in ("k", "v")]
        outputs += [(f"next_k.{layer}", 4), (f"next_v.{layer}", 4)]
    x = graph.add("Gather", x, "rows", axis=1)
    x = graph.norm(x, "decoder/layer_norm")
    penalty = np.zeros(len(embeddings), np.float32)
    penalty[list(suppressed)] = _PENALTY
    allowed = graph.project(x, embeddings, penalty)
    first = graph.add("Gather", allowed, graph.constant(np.array(0, np.int64)), axis=1)
    first = graph.add("Sub", first, graph.constant(penalty))
    graph.add("Squeeze", first, graph.constant(_axes(0)), into="logits")
    chances = graph.add("LogSoftmax", allowed, axis=2)
    best = graph.add("ArgMax", chances, axis=2, keepdims=0)
    graph.add("Squeeze", best, graph.constant(_axes(0)), into="best")
    logprob = graph.add("ReduceMax", chances, graph.constant(_axes(2)), keepdims=0)
    graph.add("Squeeze", logprob, graph.constant(_axes(0)), into="logprob")
    attention = graph.add("Concat", *followed, axis=1)
    graph.add("Squeeze", attention, graph.constant(_axes(0)), into="attention")
    outputs += [("logits", 1), ("logprob", 1), ("attention", 3)]
    return graph.model(inputs, outputs, best=True)


def _axes(axis: int) -> npt.NDArray[np.int64]:
    return np.array([axis], np.int64)


class _Graph:
    """A graph being built; every method adds nodes and gives the name of what they compute.
    `even_rows`: all rows of a product are brought to one size before they are quantised."""

    def __init__(self, weights: Weights, *, even_rows: bool = False) -> None:
        self._weights = weights
        self._even_rows = even_rows
        self._nodes: list[onnx.NodeProto] = []
        self._constants: list[onnx.TensorProto] = []
        self._head_width = weights.width // weights.heads

    def add(
        self, kind: str, *inputs: str, into: str | None = None, domain: str = "", **attributes: Any
    ) -> str:
        name = into or f"x{len(self._nodes)}"
        node = helper.make_node(kind, inputs, [name], domain=domain, **attributes)
        self._nodes.append(node)
        return name

    def constant(self, value: npt.NDArray[Any]) -> str:
        name = f"c{len(self._constants)}"
        self._constants.append(numpy_helper.from_array(np.asarray(value, order="C"), name))
        return name

    def split(self, x: str, parts: int) -> list[str]:
        names = [f"x{len(self._nodes)}_{part}" for part in range(parts)]
        self._nodes.append(helper.make_node("Split", [x], names, axis=-1, num_outputs=parts))
        return names

    def norm(self, x: str, name: str) -> str:
        gamma = self.constant(self._weights.array(f"{name}/gamma"))
        beta = self.constant(self._weights.array(f"{name}/beta"))
        return self.add("LayerNormalization", x, gamma, beta, axis=-1, epsilon=_EPSILON)

    def linear(self, x: str, name: str, *, scaled: bool = False) -> str:
        """x·Wᵀ + b. `scaled`: its first outputs are attention's queries, to be scaled."""
        weight = self._weights.array(f"{name}/weight")
        bias = self._weights.array(f"{name}/bias")
        if scaled:
            queries = slice(0, weight.shape[1])
            weight, bias = weight.copy(), bias.copy()
            weight[queries] *= self._head_width**-0.5
            bias[queries] *= self._head_width**-0.5
        return self._quantised(x, weight, bias)

    def project(self, x: str, embeddings: F32, bias: F32) -> str:
        return self._quantised(x, embeddings, bias)

    def embedding(self, tokens: str, embeddings: F32) -> str:
        """Rows of the table, which is kept in half precision: it is only looked up."""
        table = self.constant(embeddings.astype(np.float16))
        return self.add("Cast", self.add("Gather", table, tokens), to=TensorProto.FLOAT)

    def feed_forward(self, x: str, layer: str) -> str:
        y = self.norm(x, f"{layer}/ffn/layer_norm")
        y = self.add("Gelu", self.linear(y, f"{layer}/ffn/linear_0"), domain="com.microsoft")
        return self.add("Add", x, self.linear(y, f"{layer}/ffn/linear_1"))

    def conv(self, x: str, name: str, *, stride: int) -> str:
        weight = self.constant(self._weights.array(f"{name}/weight"))
        bias = self.constant(self._weights.array(f"{name}/bias"))
        y = self.add("Conv", x, weight, bias, pads=[1, 1], strides=[stride])
        return self.add("Gelu", y, domain="com.microsoft")

    def heads(self, x: str) -> str:
        """[1, N, H·D] -> [1, H, N, D]"""
        shape = self.constant(np.array([0, 0, -1, self._head_width], np.int64))
        return self.add("Transpose", self.add("Reshape", x, shape), perm=[0, 2, 1, 3])

    def joined(self, x: str) -> str:
        """[1, H, N, D] -> [1, N, H·D]"""
        shape = self.constant(np.array([0, 0, -1], np.int64))
        return self.add("Reshape", self.add("Transpose", x, perm=[0, 2, 1, 3]), shape)

    def _quantised(self, x: str, weight: F32, bias: F32) -> str:
        scale = np.maximum(np.abs(weight).max(axis=1), _LEAST) / 127
        table = self.constant(np.rint(weight / scale[:, np.newaxis]).astype(np.int8).T)
        factors = [table, self.constant(scale.astype(np.float32)), ""]
        added = self.constant(bias)
        if not self._even_rows:
            return self.add("DynamicQuantizeMatMul", x, *factors, added, domain="com.microsoft")
        size = self.add("ReduceMax", self.add("Abs", x), self.constant(_axes(-1)))
        size = self.add("Max", size, self.constant(np.array(_LEAST, np.float32)))
        y = self.add("Div", x, size)
        y = self.add("DynamicQuantizeMatMul", y, *factors, domain="com.microsoft")
        return self.add("Add", self.add("Mul", y, size), added)

    def model(
        self,
        inputs: Sequence[tuple[str, int, Sequence[int | None]]],
        outputs: Sequence[tuple[str, int]],
        *,
        best: bool = False,
    ) -> bytes:
        graph = helper.make_graph(
            self._nodes,
            "whisper",
            [helper.make_tensor_value_info(name, kind, shape) for name, kind, shape in inputs],
            [helper.make_tensor_value_info(n, TensorProto.FLOAT, [None] * r) for n, r in outputs]
            + ([helper.make_tensor_value_info("best", TensorProto.INT64, [None])] if best else []),
            self._constants,
        )
        model = helper.make_model(graph, opset_imports=_OPSET, ir_version=_IR)
        return bytes(model.SerializeToString())
