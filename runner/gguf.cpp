#include "runner/gguf.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <type_traits>

#include "harness/runtime/error.h"
#include "runner/file_cursor.h"
#include "runner/old_ggml.h"

namespace assay {
namespace {

static_assert(std::endian::native == std::endian::little, "GGUF is read as it lies in memory");

constexpr const char* kUnusable = "re-convert the model";

/// Smallest encodings, to bound a count by the bytes left before anything is allocated for it: a
/// key of one byte with a one-byte value; a tensor with a name of one byte and one dimension.
constexpr uint64_t kMinKeyValueBytes = 8 + 1 + 4 + 1;
constexpr uint64_t kMinTensorBytes = 8 + 1 + 4 + 8 + 4 + 8;

/// Reads what a header of GGUF is made of.
class Cursor : public FileCursor {
 public:
  Cursor(const std::string& path, std::span<const std::byte> file)
      : FileCursor(path, file.first(std::min<uint64_t>(file.size(), kGgufMaxHeaderBytes)),
                   file.size() > kGgufMaxHeaderBytes ? "largest header that is read" : "file") {}

  /// A count of things that take at least `min_bytes` each.
  uint64_t count(uint64_t limit, uint64_t min_bytes, std::string_view what) {
    const uint64_t at = offset();
    const auto n = number<uint64_t>(what);
    if (n > limit) {
      fail(at, what, fmt::format("{} is over the limit of {}", n, limit));
    }
    if (n > left() / min_bytes) {
      fail(at, what, fmt::format("{} does not fit in the {} bytes left in the {}", n, left(), bound()));
    }
    return n;
  }

  std::string string(uint64_t limit, std::string_view what) {
    const auto bytes = take(count(limit, 1, what), what);
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
  }

  bool boolean(std::string_view what) {
    const auto value = number<uint8_t>(what);
    if (value > 1) {
      fail(offset() - 1, what, fmt::format("boolean is {}, not 0 or 1", value));
    }
    return value == 1;
  }

  template <class T>
  T value(std::string_view what) {
    if constexpr (std::is_same_v<T, std::string>) {
      return string(kGgufMaxStringBytes, what);
    } else if constexpr (std::is_same_v<T, bool>) {
      return boolean(what);
    } else if constexpr (std::is_same_v<T, GgufArray>) {
      return array(what);
    } else {
      return number<T>(what);
    }
  }

  /// A value of the type that `type_number` names in Variant, GgufValue or GgufArray.
  template <class Variant, size_t I = 0>
  Variant any(uint32_t type_number, uint64_t type_at, std::string_view what) {
    if constexpr (I == std::variant_size_v<Variant>) {
      fail(type_at, what, fmt::format("value type {} is unknown (GGUF has 0 to {})", type_number, I - 1));
    } else {
      if (type_number != I) {
        return any<Variant, I + 1>(type_number, type_at, what);
      }
      using T = std::variant_alternative_t<I, Variant>;
      if constexpr (std::is_same_v<T, std::monostate>) {
        fail(type_at, what, "is an array of arrays, which is not supported", kUnusable);
      } else if constexpr (std::is_same_v<Variant, GgufArray>) {
        return elements<typename T::value_type>(what);
      } else {
        return value<T>(what);
      }
    }
  }

 private:
  GgufArray array(std::string_view what) {
    const uint64_t at = offset();
    return any<GgufArray>(number<uint32_t>(what), at, what);
  }

  template <class T>
  std::vector<T> elements(std::string_view what) {
    constexpr uint64_t kMinBytes = std::is_same_v<T, std::string> ? 8 : sizeof(T);
    const uint64_t n = count(kGgufMaxArrayLength, kMinBytes, what);
    std::vector<T> values;
    values.reserve(n);
    for (uint64_t i = 0; i < n; ++i) {
      values.push_back(value<T>(what));
    }
    return values;
  }
};

/// What the data section of a tensor occupies, in bytes from the begin of the section.
struct Extent {
  uint64_t begin;
  uint64_t size;
  uint64_t info_at;  ///< where the offset stands in the file
  size_t tensor;
};

GgufKeyValue read_key_value(Cursor& cursor) {
  const uint64_t key_at = cursor.offset();
  GgufKeyValue entry;
  entry.key = cursor.string(kGgufMaxKeyBytes, "metadata key");
  if (entry.key.empty()) {
    cursor.fail(key_at, "metadata key", "is empty");
  }
  const std::string what = "metadata key " + quote(entry.key);
  const uint64_t type_at = cursor.offset();
  entry.value = cursor.any<GgufValue>(cursor.number<uint32_t>(what), type_at, what);
  return entry;
}

/// Large models are split over several files, each a GGUF file of its own with the keys that llama.cpp's gguf-split writes: NAME-00001-of-00003.gguf
/// and so on.
constexpr const char* kMerge = "merge the parts first, with `llama-gguf-split --merge FIRST_PART OUT`";

uint64_t parts_of(const GgufFile& file) { return file.find_u64("split.count").value_or(1); }

std::string part_suffix(uint64_t number, uint64_t parts) { return fmt::format("-{:05}-of-{:05}.gguf", number, parts); }

[[noreturn]] void refuse_part(const GgufFile& file, const std::string& why) {
  throw InputError(fmt::format("{}: is part {} of {} of a split model, by its split.no and split.count; {}",
                               file.path(), file.find_u64("split.no").value_or(0) + 1, parts_of(file), why));
}

void expect_all_tensors(const GgufFile& file) {
  const uint64_t n_tensors = file.tensors().size();
  if (const uint64_t all = file.find_u64("split.tensors.count").value_or(n_tensors); all != n_tensors) {
    throw InputError(fmt::format("{}: holds {} tensors of a model that has {}, by its split.tensors.count; {}",
                                 file.path(), n_tensors, all, kMerge));
  }
}

/// Reads a tensor's description; its data span is set once the begin of the section is known.
Tensor read_tensor(Cursor& cursor, Extent& extent) {
  const uint64_t name_at = cursor.offset();
  Tensor tensor{};
  tensor.name = cursor.string(kGgufMaxNameBytes, "tensor name");
  if (tensor.name.empty()) {
    cursor.fail(name_at, "tensor name", "is empty");
  }
  const std::string what = "tensor " + quote(tensor.name);

  const uint64_t shape_at = cursor.offset();
  tensor.n_dims = cursor.number<uint32_t>(what);
  if (tensor.n_dims < 1 || tensor.n_dims > kGgufMaxDims) {
    cursor.fail(shape_at, what, fmt::format("has {} dimensions, not 1 to {}", tensor.n_dims, kGgufMaxDims));
  }
  tensor.ne.fill(1);
  for (uint32_t i = 0; i < tensor.n_dims; ++i) {
    tensor.ne[i] = cursor.number<uint64_t>(what);
  }

  const uint64_t type_at = cursor.offset();
  const auto type_number = cursor.number<uint32_t>(what);
  const TensorTypeInfo* info = type_number < only_in_2023(0) ? find_tensor_type(type_number) : nullptr;
  if (info == nullptr) {
    std::string known;
    for (const auto& t : tensor_types()) {
      if (static_cast<uint32_t>(t.type) >= only_in_2023(0)) {
        break;
      }
      known += fmt::format("{}{} ({})", known.empty() ? "" : ", ", static_cast<uint32_t>(t.type), t.name);
    }
    cursor.fail(type_at, what, fmt::format("tensor type {} is not among {}", type_number, known),
                "convert the model to one of these types");
  }
  tensor.type = info->type;
  try {
    extent.size = tensor_bytes(tensor.type, tensor.shape());
  } catch (const InputError& e) {
    cursor.fail(shape_at, what, e.what());
  }
  tensor.n_elements = (extent.size - info->tail_bytes) / info->block_bytes * info->block;
  extent.info_at = cursor.offset();
  extent.begin = cursor.number<uint64_t>(what);
  return tensor;
}

/// How much room there is for each tensor: up to the next one, or to the end of the section.
class Rooms {
 public:
  Rooms(const std::vector<Extent>& extents, uint64_t section, uint64_t alignment) : alignment_(alignment) {
    begins_.push_back(section);
    for (const Extent& extent : extents) {
      begins_.push_back(extent.begin);
    }
    std::ranges::sort(begins_);
  }
  /// A tensor of `size` bytes that begins there leaves no more than padding. One that begins behind the section, which is refused, does.
  bool are_filled(uint64_t begin, uint64_t size) const {
    const auto next = std::ranges::upper_bound(begins_, begin);
    const uint64_t room = next == begins_.end() ? size : *next - begin;
    return size <= room && room - size < alignment_;
  }

 private:
  std::vector<uint64_t> begins_;
  uint64_t alignment_;
};

/// A number that another format had in former files: they are told by how much room there is between tensors. All tensors of the number
/// are of the one or the other.
void settle_former_types(std::vector<Extent>& extents, std::vector<Tensor>& tensors, const Rooms& rooms) {
  for (const TensorTypeInfo& former : tensor_types()) {
    if (former.format->former_type == 0) {
      continue;
    }
    std::vector<Extent*> of_number;
    for (Extent& extent : extents) {
      if (static_cast<uint32_t>(tensors[extent.tensor].type) == former.format->former_type) {
        of_number.push_back(&extent);
      }
    }
    const auto former_size = [&](const Extent* e) {
      return tensors[e->tensor].n_elements / former.block * former.block_bytes;
    };
    const bool all_of_today =
        std::ranges::all_of(of_number, [&](const Extent* e) { return rooms.are_filled(e->begin, e->size); });
    const bool all_of_former = std::ranges::all_of(of_number, [&](const Extent* e) {
      return tensors[e->tensor].ne[0] % former.block == 0 && rooms.are_filled(e->begin, former_size(e));
    });
    for (Extent* extent : of_number) {
      if (!all_of_today && all_of_former) {
        extent->size = former_size(extent);
        tensors[extent->tensor].type = former.type;
      }
    }
  }
}

}  // namespace

GgufFile::Mapping::Mapping(const std::string& path) {
  // Non-blocking, since opening a FIFO would otherwise wait for its writer.
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) {
    throw InputError(fmt::format("{}: cannot open: {}; check the path", path, std::strerror(errno)));
  }
  struct stat status {};
  const bool known = fstat(fd, &status) == 0;
  if (!known || !S_ISREG(status.st_mode)) {
    close(fd);
    throw InputError(fmt::format("{}: is not a regular file; give the path of a GGUF file", path));
  }
  const auto size = static_cast<size_t>(status.st_size);
  if (size == 0) {
    close(fd);
    throw InputError(fmt::format("{}: byte 0: the file is empty; {}", path, kDamagedFile));
  }
  void* map = mmap(nullptr, size, PROT_READ, MAP_PRIVATE, fd, 0);
  const int error = errno;
  close(fd);
  if (map == MAP_FAILED) {
    throw InputError(fmt::format("{}: cannot map {} bytes: {}; free memory or use a smaller model", path, size,
                                 std::strerror(error)));
  }
  bytes_ = {static_cast<const std::byte*>(map), size};
}

void GgufFile::release(std::span<const std::byte> bytes) const {
  const auto holds = [&](const Mapping& mapping) {
    const auto all = mapping.bytes();
    return std::less_equal<>()(all.data(), bytes.data()) &&
           std::less_equal<>()(bytes.data() + bytes.size(), all.data() + all.size());
  };
  if (!holds(mapping_) && std::ranges::none_of(parts_, holds)) {
    return;  // the caller's memory, or what was laid out anew
  }
  // The pages that these bytes have for themselves.
  const auto page = static_cast<uintptr_t>(sysconf(_SC_PAGESIZE));
  const uintptr_t begin = (reinterpret_cast<uintptr_t>(bytes.data()) + page - 1) / page * page;
  const uintptr_t end = reinterpret_cast<uintptr_t>(bytes.data() + bytes.size()) / page * page;
  if (begin < end) {
    madvise(reinterpret_cast<void*>(begin), end - begin, MADV_DONTNEED);
  }
}

bool GgufFile::is_laid_out(const Tensor& tensor) const {
  return std::ranges::any_of(laid_out_, [&](const auto& memory) { return memory.get() == tensor.data.data(); });
}

GgufFile::Mapping::~Mapping() {
  if (!bytes_.empty()) {
    munmap(const_cast<std::byte*>(bytes_.data()), bytes_.size());
  }
}

GgufFile GgufFile::open_alone(const std::string& path) {
  GgufFile file;
  file.path_ = path;
  file.mapping_ = Mapping(path);
  file.read(file.mapping_.bytes());
  return file;
}

GgufFile GgufFile::open(const std::string& path) {
  GgufFile file = open_alone(path);
  file.add_parts();
  expect_all_tensors(file);
  return file;
}

void GgufFile::read_old(std::span<const std::byte> bytes) {
  std::vector<OldFile> files = {read_old_file(path_, bytes)};
  const uint64_t parts = old_parts(files[0]);
  if (parts > 1 && mapping_.bytes().empty()) {
    throw InputError(fmt::format("{}: is the first of {} parts of a model; open it as a file", path_, parts));
  }
  for (uint64_t number = 1; number < parts; ++number) {
    const std::string path = old_part_path(path_, number);
    try {
      parts_.emplace_back(path);
    } catch (const InputError& e) {
      throw InputError(fmt::format("{}: is the first of {} parts of a model, by the columns of its embedding: {}",
                                   path_, parts, e.what()));
    }
    files.push_back(read_old_file(path, parts_.back().bytes()));
  }
  OldModel model = old_model(files);
  metadata_ = std::move(model.metadata);
  tensors_ = std::move(model.tensors);
  laid_out_ = std::move(model.memory);
  notes_ = std::move(model.notes);
  for (size_t i = 0; i < metadata_.size(); ++i) {
    key_index_.emplace(metadata_[i].key, i);
  }
  for (size_t i = 0; i < tensors_.size(); ++i) {
    tensor_index_.emplace(tensors_[i].name, i);
  }
}

void GgufFile::add_parts() {
  const uint64_t parts = parts_of(*this);
  if (parts <= 1) {
    return;
  }
  const std::string suffix = part_suffix(1, parts);
  if (find_u64("split.no").value_or(0) != 0) {
    refuse_part(*this, fmt::format("give the first, NAME{}", suffix));
  }
  if (!path_.ends_with(suffix)) {
    refuse_part(*this, fmt::format("its name does not end in {}, so the others are not found: rename them, or {}",
                                   suffix, kMerge));
  }
  const std::string stem = path_.substr(0, path_.size() - suffix.size());
  for (uint64_t number = 2; number <= parts; ++number) {
    GgufFile part = open_alone(stem + part_suffix(number, parts));
    if (parts_of(part) != parts || part.find_u64("split.no").value_or(0) + 1 != number) {
      refuse_part(part, fmt::format("by its name it is part {} of {}: it belongs to another model; download it again",
                                    number, parts));
    }
    for (Tensor& tensor : part.tensors_) {
      if (!tensor_index_.emplace(tensor.name, tensors_.size()).second) {
        throw InputError(
            fmt::format("{}: tensor {} is in an earlier part, too; {}", part.path_, quote(tensor.name), kDamagedFile));
      }
      tensors_.push_back(std::move(tensor));
    }
    parts_.push_back(std::move(part.mapping_));
  }
}

GgufFile GgufFile::parse(std::string name, std::span<const std::byte> bytes) {
  GgufFile file;
  file.path_ = std::move(name);
  file.read(bytes);
  if (parts_of(file) > 1) {
    refuse_part(file, kMerge);
  }
  expect_all_tensors(file);
  return file;
}

void GgufFile::read(std::span<const std::byte> bytes) {
  if (is_old_ggml(bytes)) {
    read_old(bytes);
    return;
  }
  Cursor cursor(path_, bytes);
  const auto magic = cursor.take(4, "magic");
  if (std::memcmp(magic.data(), "GGUF", 4) != 0) {
    cursor.fail(0, "magic", fmt::format("the file begins with {:02x}, not 'GGUF'", fmt::join(magic, " ")),
                "give a GGUF file, or a LLaMA of 2023 (ggml, ggmf, ggjt)");
  }
  const auto version = cursor.number<uint32_t>("version");
  if (version < kGgufOldestVersion || version > kGgufVersion) {
    const uint32_t swapped = __builtin_bswap32(version);
    cursor.fail(4, "version",
                fmt::format("{} is not {} or {}{}", version, kGgufOldestVersion, kGgufVersion,
                            swapped >= 1 && swapped <= kGgufVersion ? " (the file is big-endian)" : ""),
                "re-convert the model to little-endian GGUF v3");
  }
  const uint64_t n_tensors = cursor.count(kGgufMaxTensors, kMinTensorBytes, "tensor count");
  const uint64_t n_keys = cursor.count(kGgufMaxKeys, kMinKeyValueBytes, "metadata key count");

  metadata_.reserve(n_keys);
  for (uint64_t i = 0; i < n_keys; ++i) {
    const uint64_t at = cursor.offset();
    metadata_.push_back(read_key_value(cursor));
    const auto& entry = metadata_.back();
    if (!key_index_.emplace(entry.key, i).second) {
      cursor.fail(at, "metadata key " + quote(entry.key), "occurs twice");
    }
    if (entry.key == "general.alignment") {
      try {
        alignment_ = gguf_alignment(&entry.value);
      } catch (const InputError& e) {
        cursor.fail(at, "metadata key 'general.alignment'", e.what());
      }
    }
  }

  std::vector<Extent> extents(n_tensors);
  tensors_.reserve(n_tensors);
  for (uint64_t i = 0; i < n_tensors; ++i) {
    const uint64_t at = cursor.offset();
    extents[i].tensor = i;
    tensors_.push_back(read_tensor(cursor, extents[i]));
    if (!tensor_index_.emplace(tensors_.back().name, i).second) {
      cursor.fail(at, "tensor " + quote(tensors_.back().name), "occurs twice");
    }
  }
  if (n_tensors == 0) {
    return;  // then there is no data section, nor padding before it
  }

  const uint64_t begin = (cursor.offset() + alignment_ - 1) / alignment_ * alignment_;
  if (begin > bytes.size()) {
    cursor.fail(cursor.offset(), "padding before the tensor data",
                fmt::format("ends at byte {}, but the file has {}", begin, bytes.size()));
  }
  const auto section = bytes.subspan(begin);
  const Rooms rooms(extents, section.size(), alignment_);
  settle_former_types(extents, tensors_, rooms);
  for (const Extent& extent : extents) {
    Tensor& tensor = tensors_[extent.tensor];
    const std::string what = "tensor " + quote(tensor.name);
    if (extent.begin % alignment_ != 0) {
      cursor.fail(extent.info_at, what,
                  fmt::format("data offset {} is not a multiple of {}", extent.begin, alignment_));
    }
    if (extent.size > section.size() || extent.begin > section.size() - extent.size) {
      cursor.fail(extent.info_at, what,
                  fmt::format("its {} bytes at data offset {} are not inside the {} of the file", extent.size,
                              extent.begin, section.size()));
    }
    const uint64_t tail = tensor_type_info(tensor.type).tail_bytes;
    // I2_S has the number of a former arrangement of IQ4_NL, which takes twice as much.
    if (tail != 0 && !rooms.are_filled(extent.begin, extent.size)) {
      cursor.fail(extent.info_at, what,
                  fmt::format("is of type {}, of which it would have {} bytes, and the file has another room for it",
                              static_cast<uint32_t>(tensor.type), extent.size),
                  kUnusable);
    }
    tensor.data = section.subspan(extent.begin, extent.size - tail);
    tensor.tail = section.subspan(extent.begin + extent.size - tail, tail);
    if (!std::isfinite(tensor.scale())) {
      cursor.fail(begin + extent.begin + extent.size - tail, what, fmt::format("its scale is {}", tensor.scale()));
    }
  }
  std::sort(extents.begin(), extents.end(), [](const Extent& a, const Extent& b) { return a.begin < b.begin; });
  for (size_t i = 1; i < extents.size(); ++i) {
    const Extent& a = extents[i - 1];
    const Extent& b = extents[i];
    if (b.begin - a.begin < a.size) {
      cursor.fail(b.info_at, "tensor " + quote(tensors_[b.tensor].name),
                  fmt::format("data offset {} lies inside tensor {}", b.begin, quote(tensors_[a.tensor].name)));
    }
  }
}

}  // namespace assay
