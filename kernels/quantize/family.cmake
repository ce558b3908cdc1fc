# quantize_<format> for every format whose description has codes and says how they are written.
set(operation quantize)
set(needs values encode)
# The contract rounds each operation.
set(options -ffp-contract=off)
