"""Writes a GGUF again with all its matrices as F16 or BF16 (vectors as F32): `rewrite_gguf.py SOURCE TARGET F16|BF16`."""

import sys

import gguf
import numpy


def rewrite(source, target, kind):
    matrices = gguf.GGMLQuantizationType[kind]
    reader = gguf.GGUFReader(source)
    writer = gguf.GGUFWriter(target, reader.get_field("general.architecture").contents())
    for field in reader.fields.values():
        if field.name.startswith("GGUF.") or field.name in ("general.architecture", "general.file_type"):
            continue
        kind_of, *inner = field.types
        writer.add_key_value(field.name, field.contents(), kind_of, inner[-1] if inner else None)
    writer.add_file_type(gguf.LlamaFileType[f"MOSTLY_{kind}"])
    for tensor in reader.tensors:
        values = gguf.quants.dequantize(tensor.data, tensor.tensor_type).astype(numpy.float32)
        values = values.reshape([int(n) for n in tensor.shape][::-1])
        if values.ndim == 1:
            writer.add_tensor(tensor.name, values)
        elif kind == "F16":
            writer.add_tensor(tensor.name, values.astype(numpy.float16))
        else:
            writer.add_tensor(tensor.name, gguf.quants.quantize(values, matrices), raw_dtype=matrices)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


if __name__ == "__main__":
    rewrite(*sys.argv[1:])
