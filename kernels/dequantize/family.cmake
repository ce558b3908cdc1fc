# dequantize_<format> for every format. Nothing is packed: the blocks are those of the file.
set(operation dequantize)
