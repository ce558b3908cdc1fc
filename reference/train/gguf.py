"""Writes GGUF version 3 (the format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md)."""

import struct

ALIGNMENT = 32
UINT32, INT32, FLOAT32, BOOL, STRING, ARRAY = 4, 5, 6, 7, 8, 9
F32 = 0


def _string(text):
    data = text.encode("utf-8")
    return struct.pack("<Q", len(data)) + data


def _scalar(kind, value):
    if kind == STRING:
        return _string(value)
    return struct.pack({UINT32: "<I", INT32: "<i", FLOAT32: "<f", BOOL: "<?"}[kind], value)


def _value(kind, value):
    if kind == ARRAY:
        element, values = value
        return struct.pack("<IQ", element, len(values)) + b"".join(_scalar(element, v) for v in values)
    return _scalar(kind, value)


def keys_of_model(architecture, name, n_ctx, n_embd, n_ff, n_layer, n_head):
    """The metadata that a model of any architecture begins with."""
    sizes = {"context_length": n_ctx, "embedding_length": n_embd, "feed_forward_length": n_ff, "block_count": n_layer, "attention.head_count": n_head}
    general = [
        ("general.architecture", STRING, architecture),
        ("general.name", STRING, name),
        ("general.alignment", UINT32, ALIGNMENT),
        ("general.file_type", UINT32, 0),
    ]
    return general + [(f"{architecture}.{key}", UINT32, size) for key, size in sizes.items()]


def write(path, metadata, tensors):
    """metadata: [(key, kind, value)], an array's value being (element kind, list); tensors: [(name, float32 numpy array)]."""
    header = struct.pack("<4sIQQ", b"GGUF", 3, len(tensors), len(metadata))
    for key, kind, value in metadata:
        header += _string(key) + struct.pack("<I", kind) + _value(kind, value)
    data = b""
    for name, array in tensors:
        dims = array.shape[::-1]  # the innermost dimension first
        header += _string(name) + struct.pack("<I", len(dims))
        header += b"".join(struct.pack("<Q", d) for d in dims) + struct.pack("<IQ", F32, len(data))
        data += array.astype("<f4").tobytes()
        data += b"\0" * (-len(data) % ALIGNMENT)
    with open(path, "wb") as file:
        file.write(header + b"\0" * (-len(header) % ALIGNMENT) + data)
