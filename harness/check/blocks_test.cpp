// What kernels take for granted of every weight format, and what is tried of one.
#include "harness/check/blocks.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "harness/check/values.h"
#include "harness/runtime/formats.h"
#include "reference/formats.h"

namespace assay {
namespace {

TEST(Blocks, AreAsKernelsTakeThem) {
  for (const weight_format* format : weight_formats()) {
    if (format->values == nullptr) {
      EXPECT_EQ(format->elements, 1u) << format->name;
      continue;
    }
    EXPECT_LE(format->elements, size_t{kMostElements}) << format->name;
    EXPECT_EQ(format->elements % format->group, 0u) << format->name;
    EXPECT_EQ(format->group % 16, 0u) << format->name;  // kernels/dequantize/vectors.h
    EXPECT_LE(format->elements / format->group, size_t{kMostGroups}) << format->name;
  }
}

TEST(Blocks, EncodedFloatsAreWithinTheFormat) {
  for (const weight_format* format : weight_formats()) {
    if (format->values != nullptr) {
      continue;
    }
    for (const InputClass c : all_input_classes()) {
      Rng rng(3);
      std::vector<float> values(1000);
      fill_class(values, c, rng);
      std::vector<uint8_t> bytes(values.size() * format->bytes);
      encode_floats(bytes, *format, values);
      const std::vector<double> got =
          reference::decode(*reference::find_format(format->gguf_type), bytes.data(), values.size());
      for (size_t i = 0; i < values.size(); ++i) {
        ASSERT_EQ(std::isfinite(got[i]), std::isfinite(values[i]))
            << format->name << " " << to_string(c) << " " << values[i];
        ASSERT_EQ(std::signbit(got[i]), std::signbit(values[i]))
            << format->name << " " << to_string(c) << " " << values[i];
      }
    }
  }
}

}  // namespace
}  // namespace assay
