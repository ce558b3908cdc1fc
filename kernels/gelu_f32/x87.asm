; void gelu_f32_x87(float* y, const float* x, size_t n)
%define ACTIVATION gelu_f32_x87
%define GELU
%include "kernels/shared/x87_activations.inc"
