/* oneDNN 2.6.3: dnnl_sgemm with K = 0 and beta = 0 leaves C as it was, where BLAS has it 0; and making a matmul primitive with a bias for a source
 * of no rows, an empty batch, divides by 0.
 *   cc -O1 onednn_empty_products.c -ldnnl && ./a.out
 * sgemm of K = 0: status 0, 0 is right: 7
 * without a bias: status 0
 * with a bias: Floating point exception */
#include <stdio.h>

#include <dnnl.h>

int main(void) {
  float a = 1, c = 7;
  const dnnl_status_t status = dnnl_sgemm('N', 'N', 1, 1, 0, 1, &a, 1, &a, 1, 0, &c, 1);
  printf("sgemm of K = 0: status %d, 0 is right: %g\n", status, c);

  dnnl_engine_t engine;
  dnnl_memory_desc_t x, w, b, y;
  const dnnl_dims_t x_dims = {0, 72}, w_dims = {72, 32}, b_dims = {1, 32}, y_dims = {0, 32};
  dnnl_engine_create(&engine, dnnl_cpu, 0);
  dnnl_memory_desc_init_by_tag(&x, 2, x_dims, dnnl_f32, dnnl_ab);
  dnnl_memory_desc_init_by_tag(&w, 2, w_dims, dnnl_f32, dnnl_ab);
  dnnl_memory_desc_init_by_tag(&b, 2, b_dims, dnnl_f32, dnnl_ab);
  dnnl_memory_desc_init_by_tag(&y, 2, y_dims, dnnl_f32, dnnl_ab);
  for (int has_bias = 0; has_bias < 2; ++has_bias) {
    dnnl_matmul_desc_t product;
    dnnl_primitive_desc_t recipe;
    dnnl_primitive_t primitive;
    printf(has_bias ? "with a bias: " : "without a bias: ");
    fflush(stdout);
    dnnl_matmul_desc_init(&product, &x, &w, has_bias ? &b : NULL, &y);
    dnnl_primitive_desc_create(&recipe, &product, NULL, engine, NULL);
    printf("status %d\n", dnnl_primitive_create(&primitive, recipe));
  }
  return 0;
}
