set(operation matmul)
set(layouts bf16 f16 f32)
