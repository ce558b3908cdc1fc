/* oneDNN 2.6.3's exp of NaN is Inf, and so a NaN in a softmax leaves the rest of its row as zeroes; which of them are NaN depends on the
 * instructions that the library was let use. Code that it generates clamps by MINPS and MAXPS, which return the second operand where one is NaN.
 *   cc -O1 onednn_loses_nan.c -ldnnl && ./a.out && ONEDNN_MAX_CPU_ISA=SSE41 ./a.out
 * exp of 1, NaN, 2, -1: 2.71828 inf 7.38906 0.367879
 * softmax of 1, NaN, 2, -1: 0 -nan 0 0
 * and with SSE41:
 * softmax of 1, NaN, 2, -1: 0 -nan -nan 0 */
#include <math.h>
#include <stdio.h>

#include <dnnl.h>

static dnnl_engine_t engine;
static dnnl_stream_t stream;

/* Executes the operation on a row in place. */
static void execute(const_dnnl_op_desc_t operation, const dnnl_memory_desc_t* row, float* x) {
  dnnl_primitive_desc_t recipe;
  dnnl_primitive_t primitive;
  dnnl_memory_t memory;
  dnnl_primitive_desc_create(&recipe, operation, NULL, engine, NULL);
  dnnl_primitive_create(&primitive, recipe);
  dnnl_memory_create(&memory, row, engine, x);
  const dnnl_exec_arg_t arguments[] = {{DNNL_ARG_SRC, memory}, {DNNL_ARG_DST, memory}};
  dnnl_primitive_execute(primitive, stream, 2, arguments);
  dnnl_stream_wait(stream);
}

int main(void) {
  const dnnl_dims_t dims = {1, 4}, strides = {4, 1};
  dnnl_memory_desc_t row;
  dnnl_eltwise_desc_t exponential;
  dnnl_softmax_desc_t softmax;
  float x[] = {1, NAN, 2, -1}, y[] = {1, NAN, 2, -1};
  dnnl_engine_create(&engine, dnnl_cpu, 0);
  dnnl_stream_create(&stream, engine, dnnl_stream_default_flags);
  dnnl_memory_desc_init_by_strides(&row, 2, dims, dnnl_f32, strides);
  dnnl_eltwise_forward_desc_init(&exponential, dnnl_forward_inference, dnnl_eltwise_exp, &row, 0, 0);
  execute(&exponential, &row, x);
  printf("exp of 1, NaN, 2, -1: %g %g %g %g\n", x[0], x[1], x[2], x[3]);
  dnnl_softmax_forward_desc_init(&softmax, dnnl_forward_inference, &row, 1);
  execute(&softmax, &row, y);
  printf("softmax of 1, NaN, 2, -1: %g %g %g %g\n", y[0], y[1], y[2], y[3]);
  return 0;
}
