; void silu_f32_x87(float* y, const float* x, size_t n)
%define ACTIVATION silu_f32_x87
%define SILU
%include "kernels/shared/x87_activations.inc"
