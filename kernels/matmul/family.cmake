# matmul_<format> for the formats whose packed weights are of these layouts.
set(operation matmul)
set(layouts u1 u2 u4 u5 u8 um4 um5 uf8 uf4 umf4 ut4 ue4 k1 k2 k3 k6 km2 km4 km5 kt4 t2)
