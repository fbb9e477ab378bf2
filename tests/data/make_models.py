#!/usr/bin/env python3
"""Writes the tiny detectors of tests/data/models. Needs the Python packages onnx and numpy; --verify also
onnxruntime.

Every good model takes a picture of 96x64 pixels and sees one object per channel, as confident as that channel is
bright on average: class 0 in (8, 20)-(24, 44), class 1 in (40, 20)-(56, 44), class 2 in (72, 20)-(88, 44). Class 0
is seen twice, the second time one pixel to the right and a tenth less confident. So a red picture tells whether the
colours, the scale and the suppression of duplicates are right.
"""

import argparse
import math
import pathlib

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

WIDTH, HEIGHT = 96, 64
CELLS = 12 * 8 + 6 * 4 + 3 * 2
# Centre x, centre y, width, height, channel and class, weight of the score.
OBJECTS = [(16, 32, 16, 24, 0, 1.0), (48, 32, 16, 24, 1, 1.0), (80, 32, 16, 24, 2, 1.0), (17, 32, 16, 24, 0, 0.9)]
NAMES = "{0: 'first', 1: \"second's\", 2: 'third'}"
METADATA = {"names": NAMES, "stride": "32", "task": "detect", "imgsz": f"[{HEIGHT}, {WIDTH}]", "batch": "1"}


class Graph:
    """Collects nodes and initialisers under short names."""

    def __init__(self):
        self.nodes, self.constants = [], []

    def const(self, values, dtype):
        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(values, dtype), name))
        return name

    def add(self, op, *inputs, output=None, **attributes):
        output = output or f"n{len(self.nodes)}"
        self.nodes.append(helper.make_node(op, list(inputs), [output], **attributes))
        return output


def channel_means(g, element, nhwc, full_scale):
    """The mean of each channel of the input, in [0, 1]."""
    picture = "images"
    if element != TensorProto.FLOAT:
        picture = g.add("Cast", picture, to=TensorProto.FLOAT)
    means = g.add("ReduceMean", picture, axes=[1, 2] if nhwc else [2, 3], keepdims=0)
    return g.add("Div", g.add("Reshape", means, g.const([3], np.int64)), g.const(full_scale, np.float32))


def cells_of_input(g):
    """The number of grid cells of the input, as a tensor of one number."""
    shape = g.add("Shape", "images")
    side = [g.add("Gather", shape, g.const([axis], np.int64)) for axis in (2, 3)]
    levels = []
    for stride in (8, 16, 32):
        rows, columns = (g.add("Div", s, g.const([stride], np.int64)) for s in side)
        levels.append(g.add("Mul", rows, columns))
    return g.add("Add", g.add("Add", levels[0], levels[1]), levels[2])


def scatter(g, cells, fields, rows, scores):
    """A matrix of zeros with some rows given and a column of scores in them."""
    count = cells if isinstance(cells, str) else g.const([cells], np.int64)
    zeros = g.add("ConstantOfShape", g.add("Concat", count, g.const([fields], np.int64), axis=0))
    entries = [(r, f, v) for r, row in rows for f, v in row.items()]
    where = g.const([(r, f) for r, f, _ in entries], np.int64)
    matrix = g.add("ScatterND", zeros, where, g.const([v for *_, v in entries], np.float32))
    return g.add("ScatterND", matrix, g.const(scores[0], np.int64), scores[1])


def scores(g, means):
    picked = g.add("Gather", means, g.const([o[4] for o in OBJECTS], np.int64))
    return g.add("Mul", picked, g.const([o[5] for o in OBJECTS], np.float32))


def dense(g, means, cells, classes, objectness, grid=False, poison=False):
    """Rows of box, objectness if there is one, class scores."""
    first = 5 if objectness else 4
    rows, where = [], []
    for i, (x, y, w, h, c, _) in enumerate(OBJECTS):
        row = i
        box = {0: x, 1: y, 2: w, 3: h}
        if grid:
            # Cells of the two largest grids, so that the duplicate has one of its own.
            stride, base, columns = (16, 96, 6) if i == 3 else (8, 0, 12)
            row = base + (y // stride) * columns + x // stride
            box = {0: x / stride % 1, 1: y / stride % 1, 2: math.log(w / stride), 3: math.log(h / stride)}
        if objectness:
            box[4] = 1.0
        if poison and i < 2:
            box |= {0: math.nan} if i == 0 else {first + 2: math.inf}
        rows.append((row, box))
        where.append((row, first + c))
    return scatter(g, cells, first + classes, rows, (where, scores(g, means)))


def end_to_end(g, means):
    corners = [{0: x - w / 2, 1: y - h / 2, 2: x + w / 2, 3: y + h / 2, 5: c} for x, y, w, h, c, _ in OBJECTS]
    return scatter(g, 5, 6, list(enumerate(corners)), ([(i, 4) for i in range(4)], scores(g, means)))


def model(family, element=TensorProto.FLOAT, nhwc=False, dynamic=False, classes=3, rows=False, metadata=None,
          input_shape=None, opset=13, extra_inputs=(), poison=False):
    g = Graph()
    bgr255 = family.startswith("yolox") or element == TensorProto.UINT8
    means = channel_means(g, element, nhwc, 255.0 if bgr255 else 1.0)
    if family == "end-to-end":
        matrix, shape = end_to_end(g, means), [1, 5, 6]
    else:
        objectness = family != "yolov8"
        cells = CELLS * (3 if family == "yolov5" else 1)
        count = cells_of_input(g) if dynamic else cells
        matrix = dense(g, means, count, classes, objectness, grid=family == "yolox", poison=poison)
        shape = [1, cells, classes + (5 if objectness else 4)]
        if family == "yolov8" and not rows:
            matrix, shape = g.add("Transpose", matrix, perm=[1, 0]), [1, shape[2], shape[1]]
    matrix = g.add("Unsqueeze", matrix, g.const([0], np.int64))
    output_element = TensorProto.FLOAT16 if element == TensorProto.FLOAT16 else TensorProto.FLOAT
    g.add("Cast", matrix, to=output_element, output="output")
    picture = input_shape or ([1, HEIGHT, WIDTH, 3] if nhwc else [1, 3, HEIGHT, WIDTH])
    if dynamic:
        picture, shape = ["batch", 3, "height", "width"], ["batch", shape[1], "anchors"]
    inputs = [helper.make_tensor_value_info("images", element, picture), *extra_inputs]
    outputs = [helper.make_tensor_value_info("output", output_element, shape)]
    return wrap(g, inputs, outputs, metadata, opset)


def wrap(g, inputs, outputs, metadata=None, opset=13):
    graph = helper.make_graph(g.nodes, "tiny", inputs, outputs, g.constants)
    result = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
    result.producer_name = "make_models"
    for key, value in sorted((metadata or {}).items()):
        result.metadata_props.add(key=key, value=value)
    return result


def plain(op, output_element, output_shape, input_shape=(1, 3, HEIGHT, WIDTH), **attributes):
    """A model of one node."""
    g = Graph()
    g.add(op, "images", output="output", **attributes)
    inputs = [helper.make_tensor_value_info("images", TensorProto.FLOAT, list(input_shape))]
    return wrap(g, inputs, [helper.make_tensor_value_info("output", output_element, list(output_shape))])


def heads(name):
    """YOLOv8 with more numbers a prediction: what each object says beyond its box is a function of the box alone."""
    g = Graph()
    means = channel_means(g, TensorProto.FLOAT, False, 1.0)
    rows, where = [], []
    extra = {"pose": 6, "obb": 1, "segment": 2}[name]
    for i, (x, y, w, h, c, _) in enumerate(OBJECTS):
        row = {0: x, 1: y, 2: w, 3: h}
        if name == "pose":
            row |= dict(enumerate([x - w / 2, y - h / 2, 0.75, x + w / 2, y + h / 2, 0.25], 7))
        elif name == "obb":
            row |= {7: math.pi / 2}
        else:
            row |= {7: 20.0}
        rows.append((i, row))
        where.append((i, 4 + c))
    matrix = scatter(g, CELLS, 7 + extra, rows, (where, scores(g, means)))
    matrix = g.add("Transpose", matrix, perm=[1, 0])
    g.add("Unsqueeze", matrix, g.const([0], np.int64), output="output")
    outputs = [helper.make_tensor_value_info("output", TensorProto.FLOAT, [1, 7 + extra, CELLS])]
    if name == "segment":
        # The upper half of the picture in the first prototype; nothing in the second.
        protos = np.zeros((1, 2, HEIGHT // 4, WIDTH // 4), np.float32)
        protos[0, 0, : HEIGHT // 8], protos[0, 0, HEIGHT // 8:] = 1.0, -1.0
        picture = g.add("ReduceMin", "images", keepdims=0)
        nothing = g.add("Mul", picture, g.const(0.0, np.float32))
        g.add("Add", g.const(protos, np.float32), nothing, output="protos")
        outputs.append(helper.make_tensor_value_info("protos", TensorProto.FLOAT, list(protos.shape)))
    metadata = METADATA | {"task": name} | ({"kpt_shape": "[2, 3]"} if name == "pose" else {})
    inputs = [helper.make_tensor_value_info("images", TensorProto.FLOAT, [1, 3, HEIGHT, WIDTH])]
    return wrap(g, inputs, outputs, metadata)


def ssd():
    """Boxes in units of the input from the top, classes as whole numbers, and a count that leaves the last one out."""
    g = Graph()
    means = channel_means(g, TensorProto.FLOAT, False, 1.0)
    corners = [[(y - h / 2) / HEIGHT, (x - w / 2) / WIDTH, (y + h / 2) / HEIGHT, (x + w / 2) / WIDTH]
               for x, y, w, h, *_ in OBJECTS]
    nothing = g.add("Mul", g.add("ReduceMin", "images", keepdims=0), g.const(0.0, np.float32))
    g.add("Add", g.const([corners], np.float32), nothing, output="detection_boxes")
    g.add("Unsqueeze", scores(g, means), g.const([0], np.int64), output="detection_scores")
    classes = g.add("Add", g.const([[o[4] for o in OBJECTS]], np.float32), nothing)
    g.add("Cast", classes, to=TensorProto.INT64, output="detection_classes")
    g.add("Add", g.const([3.0], np.float32), nothing, output="num_detections")
    shapes = {"detection_boxes": (TensorProto.FLOAT, [1, 4, 4]), "detection_classes": (TensorProto.INT64, [1, 4]),
              "detection_scores": (TensorProto.FLOAT, [1, 4]), "num_detections": (TensorProto.FLOAT, [1])}
    outputs = [helper.make_tensor_value_info(n, t, d) for n, (t, d) in shapes.items()]
    inputs = [helper.make_tensor_value_info("images", TensorProto.FLOAT, [1, 3, HEIGHT, WIDTH])]
    return wrap(g, inputs, outputs, {"names": NAMES})


def deployed():
    """The deployed form of RT-DETR and D-FINE: a second input says how large the pictures are, boxes are in their
    pixels. The batch is open."""
    g = Graph()
    means = channel_means(g, TensorProto.FLOAT, False, 1.0)
    corners = [[(x - w / 2) / WIDTH, (y - h / 2) / HEIGHT, (x + w / 2) / WIDTH, (y + h / 2) / HEIGHT]
               for x, y, w, h, *_ in OBJECTS]
    sizes = g.add("Cast", "orig_target_sizes", to=TensorProto.FLOAT)
    sizes = g.add("Unsqueeze", g.add("Concat", sizes, sizes, axis=1), g.const([1], np.int64))
    g.add("Mul", g.const([corners], np.float32), sizes, output="boxes")
    g.add("Unsqueeze", scores(g, means), g.const([0], np.int64), output="scores")
    classes = g.add("Mul", g.const([[0]], np.int64), g.add("Shape", "images", start=0, end=1))
    g.add("Add", g.const([[o[4] for o in OBJECTS]], np.int64), classes, output="labels")
    inputs = [helper.make_tensor_value_info("images", TensorProto.FLOAT, ["batch", 3, HEIGHT, WIDTH]),
              helper.make_tensor_value_info("orig_target_sizes", TensorProto.INT64, ["batch", 2])]
    outputs = [helper.make_tensor_value_info(n, t, d) for n, t, d in (
        ("labels", TensorProto.INT64, ["batch", 4]), ("boxes", TensorProto.FLOAT, ["batch", 4, 4]),
        ("scores", TensorProto.FLOAT, ["batch", 4]))]
    return wrap(g, inputs, outputs, {"names": NAMES}, opset=15)


def classifier(batch, element=TensorProto.FLOAT, channels=3):
    """Logits that are ten times the mean of each channel, less what ImageNet's normalisation adds."""
    g = Graph()
    picture = "images"
    if element == TensorProto.INT8:
        # A byte is a pixel less 128.
        picture = g.add("Cast", picture, to=TensorProto.FLOAT)
        picture = g.add("Div", g.add("Add", picture, g.const(128.0, np.float32)), g.const(255.0, np.float32))
    means = g.add("ReduceMean", picture, axes=[2, 3], keepdims=0)
    if element == TensorProto.FLOAT:
        means = g.add("Mul", means, g.const([0.229, 0.224, 0.225], np.float32))
        means = g.add("Add", means, g.const([0.485, 0.456, 0.406], np.float32))
    logits = g.add("Mul", means, g.const(10.0, np.float32))
    if element == TensorProto.INT8:
        g.add("QuantizeLinear", logits, g.const(0.1, np.float32), g.const(-20, np.int8), output="output")
    else:
        g.add("Identity", logits, output="output")
    inputs = [helper.make_tensor_value_info("images", element, [batch, channels, 16, 16])]
    return wrap(g, inputs, [helper.make_tensor_value_info("output", element, [batch, 3])], {"names": NAMES})


def of_shape(shape):
    """Three logits from a picture of any shape: ten times the mean, less 0, 2 and 4."""
    g = Graph()
    mean = g.add("Reshape", g.add("ReduceMean", "images", keepdims=0), g.const([1, 1], np.int64))
    logits = g.add("Mul", mean, g.const([[10.0, 10.0, 10.0]], np.float32))
    g.add("Add", logits, g.const([[0.0, -2.0, -4.0]], np.float32), output="output")
    inputs = [helper.make_tensor_value_info("images", TensorProto.FLOAT, shape)]
    return wrap(g, inputs, [helper.make_tensor_value_info("output", TensorProto.FLOAT, [1, 3])], {"names": NAMES})


def embedding():
    """64 numbers: the means of the channels at 0 to 2."""
    g = Graph()
    means = g.add("ReduceMean", "images", axes=[2, 3], keepdims=0)
    means = g.add("Mul", means, g.const([0.229, 0.224, 0.225], np.float32))
    means = g.add("Add", means, g.const([0.485, 0.456, 0.406], np.float32))
    g.add("MatMul", means, g.const(np.eye(3, 64), np.float32), output="features")
    inputs = [helper.make_tensor_value_info("images", TensorProto.FLOAT, ["batch", 3, 32, 16])]
    return wrap(g, inputs, [helper.make_tensor_value_info("features", TensorProto.FLOAT, ["batch", 64])])


def detector_with(nothing):
    """YOLOv8 whose scores have `nothing(graph, means)`, a number that is 0, added."""
    g = Graph()
    means = channel_means(g, TensorProto.FLOAT, False, 1.0)
    means = g.add("Add", means, nothing(g, means))
    matrix = g.add("Transpose", dense(g, means, CELLS, 3, False), perm=[1, 0])
    g.add("Unsqueeze", matrix, g.const([0], np.int64), output="output")
    inputs = [helper.make_tensor_value_info("images", TensorProto.FLOAT, [1, 3, HEIGHT, WIDTH])]
    outputs = [helper.make_tensor_value_info("output", TensorProto.FLOAT, [1, 7, CELLS])]
    return wrap(g, inputs, outputs, METADATA)


def slow(g, means):
    """Products of large matrices: some hundred milliseconds on one core."""
    matrix = g.add("ConstantOfShape", g.const([900, 900], np.int64))
    matrix = g.add("Add", matrix, g.add("ReduceMin", means, keepdims=0))
    for _ in range(6):
        matrix = g.add("Mul", g.add("MatMul", matrix, matrix), g.const(1e-3, np.float32))
    return g.add("Mul", g.add("ReduceMax", matrix, keepdims=0), g.const(0.0, np.float32))


def fails_on_bright(g, means):
    """An index out of range where the picture is brighter than 5/6."""
    number = g.add("Mul", g.add("ReduceMax", means, keepdims=0), g.const(1.2, np.float32))
    return g.add("Gather", g.const([0.0], np.float32), g.add("Cast", number, to=TensorProto.INT64), axis=0)


def batched(batch, fails=False):
    """YOLOv8 for several pictures, each with its own objects."""
    g = Graph()
    means = g.add("ReduceMean", "images", axes=[2, 3], keepdims=0)
    if fails:
        means = g.add("Add", means, fails_on_bright(g, means))
    weights, bias = np.zeros((3, 7, CELLS)), np.zeros((7, CELLS))
    for cell, (x, y, w, h, c, weight) in enumerate(OBJECTS):
        bias[:4, cell] = x, y, w, h
        weights[c, 4 + c, cell] = weight
    rows = g.add("MatMul", means, g.const(weights.reshape(3, -1), np.float32))
    rows = g.add("Add", rows, g.const(bias.reshape(1, -1), np.float32))
    g.add("Reshape", rows, g.const([-1, 7, CELLS], np.int64), output="output")
    inputs = [helper.make_tensor_value_info("images", TensorProto.FLOAT, [batch, 3, HEIGHT, WIDTH])]
    outputs = [helper.make_tensor_value_info("output", TensorProto.FLOAT, [batch, 7, CELLS])]
    return wrap(g, inputs, outputs, METADATA)


def silu(element=TensorProto.FLOAT):
    """The activation of each number, as exporters write it, or as one node of ONNX Runtime's; not a detector."""
    g = Graph()
    if element == TensorProto.FLOAT:
        y = g.add("Mul", "images", g.add("Sigmoid", "images"))
    else:
        y = g.add("QuickGelu", g.add("Cast", "images", to=element), domain="com.microsoft", alpha=1.0)
    g.add("Cast", y, to=TensorProto.FLOAT, output="output")
    shape = [1, 3, HEIGHT, WIDTH]
    result = wrap(g, *([helper.make_tensor_value_info(n, TensorProto.FLOAT, shape)] for n in ("images", "output")))
    if element != TensorProto.FLOAT:
        result.opset_import.append(helper.make_opsetid("com.microsoft", 1))
    return result


def kept_outside(tiny, where):
    """The same with a number in a file of its own."""
    one = numpy_helper.from_array(np.ones(1, np.float32), "one")
    onnx.external_data_helper.set_external_data(one, where)
    one.ClearField("raw_data")
    tiny.graph.initializer.append(one)
    tiny.graph.node[-1].output[0] = "cast"
    tiny.graph.node.append(helper.make_node("Mul", ["cast", "one"], ["output"]))
    return tiny


def task_models():
    """Models that --verify leaves to the plugin's own tests."""
    return {
        "pose": heads("pose"),
        "obb": heads("obb"),
        "segment": heads("segment"),
        "ssd": ssd(),
        "deployed": deployed(),
        "classifier": classifier("batch"),
        "classifier_batch": classifier(4),
        "classifier_i8": classifier(1, TensorProto.INT8),
        "classifier_chw": of_shape([3, 16, 16]),
        "classifier_gray": of_shape([1, 1, 16, 16]),
        "classifier_gray_hwc": of_shape([1, 16, 16, 1]),
        "embedding": embedding(),
        "slow": detector_with(slow),
        "fails_on_bright": detector_with(fails_on_bright),
        "batch_open": batched("batch"),
        "batch_of_4": batched(4),
        "batch_fails_on_bright": batched("batch", fails=True),
        "silu": silu(),
        "silu_f16": silu(TensorProto.FLOAT16),
        "silu_outside": kept_outside(silu(), "silu_outside.bin"),
    }


def good_models():
    return {
        "yolov5": model("yolov5", metadata={"names": NAMES, "stride": "32"}),
        "yolov8": model("yolov8", metadata=METADATA),
        "yolov8_rows": model("yolov8", rows=True, metadata=METADATA),
        "yolov8_coco": model("yolov8", classes=80),
        "yolov8_dynamic": model("yolov8", dynamic=True, metadata=METADATA),
        "yolov8_f16": model("yolov8", element=TensorProto.FLOAT16, metadata=METADATA),
        "yolov8_nhwc": model("yolov8", nhwc=True, metadata=METADATA),
        "yolov8_u8": model("yolov8", element=TensorProto.UINT8, nhwc=True, metadata=METADATA),
        "end_to_end": model("end-to-end", metadata=METADATA),
        "yolox": model("yolox", classes=80),
        "yolox_decoded": model("yolox-decoded"),
    }


def bad_models():
    size = helper.make_tensor_value_info("size", TensorProto.FLOAT, [1, 2])
    return {
        "bad_ambiguous": model("yolov8", rows=True),
        "bad_heads": plain("Identity", TensorProto.FLOAT, (1, 3, HEIGHT, WIDTH)),
        "bad_integers": plain("Cast", TensorProto.INT64, (1, 3, HEIGHT, WIDTH), to=TensorProto.INT64),
        "bad_labels": model("yolov8", metadata={"names": "['one', 'two']"}),
        "bad_operator": plain("NoSuchOperator", TensorProto.FLOAT, (1, 7, CELLS)),
        "bad_opset": model("yolov8", opset=9999),
        "bad_channels": of_shape([1, 2, 16, 16]),
        "bad_rank_1": of_shape([768]),
        "bad_rank_5": of_shape([1, 1, 3, 16, 16]),
        "bad_rank": plain("Identity", TensorProto.FLOAT, (1, 512), input_shape=(1, 512)),
        "bad_task": model("yolov8", metadata=METADATA | {"task": "segment"}),
        "bad_two_inputs": model("yolov8", extra_inputs=(size,)),
        "bad_values": model("yolov8", metadata=METADATA, poison=True),
    }


def write(folder):
    folder.mkdir(parents=True, exist_ok=True)
    for name, tiny in (good_models() | task_models() | bad_models()).items():
        (folder / f"{name}.onnx").write_bytes(tiny.SerializeToString(deterministic=True))
    whole = (folder / "yolov8.onnx").read_bytes()
    (folder / "bad_truncated.onnx").write_bytes(whole[: len(whole) // 2])
    (folder / "bad_text.onnx").write_text("This is not a model.\n")
    (folder / "silu_outside.bin").write_bytes(np.ones(1, np.float32).tobytes())
    sidecar = '{"family": "yolox-decoded", "labels": ["first", "second\'s", "third"]}\n'
    (folder / "yolox_decoded.json").write_text(sidecar)
    (folder / "classifier_i8.json").write_text('{"output-quantization": {"scale": 0.1, "zero-point": -20}}\n')


def verify(folder):
    """Runs every good model on a picture whose channels are 1, 0.5 and 0.25 bright."""
    import onnxruntime

    for name in good_models():
        session = onnxruntime.InferenceSession(str(folder / f"{name}.onnx"))
        [tensor] = session.get_inputs()
        nhwc, full = tensor.shape[-1] == 3, 255 if name.startswith("yolox") or "u8" in name else 1
        dtype = {"tensor(float)": np.float32, "tensor(float16)": np.float16, "tensor(uint8)": np.uint8}[tensor.type]
        picture = np.ones((1, 3, HEIGHT, WIDTH)) * np.array([1, 0.5, 0.25]).reshape(1, 3, 1, 1) * full
        picture = np.ascontiguousarray(picture.transpose(0, 2, 3, 1) if nhwc else picture).astype(dtype)
        [output] = session.run(None, {tensor.name: picture})
        found = decode(name, output[0].astype(np.float64))
        for i, (x, y, w, h, c, weight) in enumerate(OBJECTS):
            expected = (x - w / 2, y - h / 2, x + w / 2, y + h / 2, [1, 0.5, 0.25][c] * weight, c)
            near = [f for f in found if np.allclose(f, expected, atol=0.02)]
            assert len(near) == 1, (name, i, expected, found)
        assert len(found) == len(OBJECTS), (name, found)
        print(f"{name}: {tensor.type} {tensor.shape} -> {output.shape}")
    for path in sorted(folder.glob("bad_*.onnx")):
        try:
            onnxruntime.InferenceSession(str(path))
            print(f"{path.stem}: loads")
        except Exception as error:
            print(f"{path.stem}: {type(error).__name__}")


def decode(name, matrix):
    if name == "end_to_end":
        return [tuple(row) for row in matrix if row[4] > 0]
    rows = matrix.T if matrix.shape[1] == CELLS else matrix
    first = 4 if name.startswith("yolov8") else 5
    found = []
    for i, row in enumerate(rows):
        c = int(row[first:].argmax())
        score = row[first + c] * (row[4] if first == 5 else 1)
        if score <= 0:
            continue
        x, y, w, h = row[:4]
        if name == "yolox":
            stride, base, columns = next(g for g in ((32, 120, 3), (16, 96, 6), (8, 0, 12)) if i >= g[1])
            x, y = (x + (i - base) % columns) * stride, (y + (i - base) // columns) * stride
            w, h = math.exp(w) * stride, math.exp(h) * stride
        found.append((x - w / 2, y - h / 2, x + w / 2, y + h / 2, score, c))
    return found


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--verify", action="store_true", help="run the models with ONNX Runtime")
    here = pathlib.Path(__file__).resolve().parent / "models"
    arguments = parser.parse_args()
    write(here)
    if arguments.verify:
        verify(here)
