#!/usr/bin/env python3
"""The tensors of a checkpoint folder, a line each: name, dtype, shape. As tests/fixtures/model/checkpoints has them.

    list_tensors.py CHECKPOINT > tensors.txt
"""
import json
import struct
import sys
from pathlib import Path

for path in sorted(Path(sys.argv[1]).glob("*.safetensors")):
    with open(path, "rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        header = json.loads(file.read(length))
    header.pop("__metadata__", None)
    for name, tensor in sorted(header.items(), key=lambda item: item[1]["data_offsets"]):
        print(name, tensor["dtype"], *tensor["shape"])
