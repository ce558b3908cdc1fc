set(operation matmul)
set(layouts f16 f32)
