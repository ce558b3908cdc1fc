# attention_<format>: the format of the keys and values in the cache.
set(operation attention)
set(layouts f16 u8)
