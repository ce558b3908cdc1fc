# dequantize_<format> for every format. Nothing is packed: the blocks are those of the file.
set(operation dequantize)
# At -O2 GCC 12 takes the values of these formats apart one by one, at -O3 in vectors: on a Zen 3 that takes 0.06 (I2_S) to 0.9 of the time. For
# others it is the other way round, by up to 10 times (Q4_0).
foreach(format i2_s q2_0 pq2_0 tq2_0 q3_k q4_k q5_0 q5_k q8_0)
  set(options_${format} -O3)
endforeach()
