# matmul_<format> for the formats whose packed weights are of these layouts.
set(operation matmul)
set(layouts u1 u4 u8)
