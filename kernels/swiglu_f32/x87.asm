; void swiglu_f32_x87(float* z, const float* gate, const float* up, size_t n)
%define ACTIVATION swiglu_f32_x87
%define SILU
%define GATED
%include "kernels/shared/x87_activations.inc"
