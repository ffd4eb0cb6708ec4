// GGUF, little-endian, as a grammar:
//
//   file     := "GGUF" version:u32 tensors:u64 pairs:u64 pair{pairs} info{tensors} padding data
//   pair     := key:string type:u32 value
//   value    := scalar of `type` | string (type 8) | element_type:u32 count:u64 element{count} (type 9; never nested)
//   string   := length:u64 byte{length}
//   info     := name:string dimensions:u32 extent:u64{dimensions} type:u32 offset:u64
//
// `padding` fills up to a multiple of general.alignment (32 when the key is absent); `offset` counts from there and is
// a multiple of the alignment itself. Version 1 had 32-bit lengths and is refused by name; a version whose bytes read
// well in the other order is a big-endian file, refused too.
#include "model_backend/checkpoint/gguf.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <limits>

#include "core/error.h"
#include "model_backend/checkpoint/messages.h"

namespace assay {
namespace {

enum ValueType : uint32_t { kU8, kI8, kU16, kI16, kU32, kI32, kF32, kBool, kString, kArray, kU64, kI64, kF64 };

constexpr const char* kTypeNames[] = {"an 8-bit number", "an 8-bit number", "a 16-bit number", "a 16-bit number",
                                      "a 32-bit number", "a 32-bit number", "a real number",   "true or false",
                                      "a text",          "an array",        "a 64-bit number", "a 64-bit number",
                                      "a real number"};
// 0: no fixed size.
constexpr size_t kTypeBytes[] = {1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8};

template <typename T>
T load(const uint8_t* data) {
  T value;
  std::memcpy(&value, data, sizeof value);
  return value;
}

std::optional<int64_t> integer_at(uint32_t type, const uint8_t* data) {
  switch (type) {
    case kU8:
      return load<uint8_t>(data);
    case kI8:
      return load<int8_t>(data);
    case kU16:
      return load<uint16_t>(data);
    case kI16:
      return load<int16_t>(data);
    case kU32:
      return load<uint32_t>(data);
    case kI32:
      return load<int32_t>(data);
    case kI64:
      return load<int64_t>(data);
    case kU64: {
      uint64_t value = load<uint64_t>(data);
      if (value > static_cast<uint64_t>(std::numeric_limits<int64_t>::max())) return std::nullopt;
      return static_cast<int64_t>(value);
    }
    default:
      return std::nullopt;
  }
}

std::optional<double> number_at(uint32_t type, const uint8_t* data) {
  if (type == kF32) return load<float>(data);
  if (type == kF64) return load<double>(data);
  if (type == kU64) return static_cast<double>(load<uint64_t>(data));
  if (auto integer = integer_at(type, data)) return static_cast<double>(*integer);
  return std::nullopt;
}

// A string whose length was checked at opening.
std::string_view string_at(const uint8_t* data) {
  return {reinterpret_cast<const char*>(data + 8), static_cast<size_t>(load<uint64_t>(data))};
}

}  // namespace

// Walks the header once, front to back; every step checks that the bytes are there.
class GgufReader {
 public:
  GgufReader(std::span<const uint8_t> bytes, GgufFile& out) : bytes_(bytes), out_(out) {}

  void read() {
    read_head();
    for (uint64_t i = 0; i < pair_count_; ++i) read_pair(i);
    for (uint64_t i = 0; i < tensor_count_; ++i) read_info(i);
    place_tensors();
    check_overlap();
  }

 private:
  [[noreturn]] void fail(std::string_view what) const { throw_input(out_.path_, what); }

  const uint8_t* take(uint64_t count, std::string_view what) {
    if (count > bytes_.size() - position_) fail(fmt::format("the file ends inside {}", what));
    const uint8_t* data = bytes_.data() + position_;
    position_ += count;
    return data;
  }
  template <typename T>
  T take(std::string_view what) {
    return load<T>(take(sizeof(T), what));
  }
  std::string_view take_string(std::string_view what) {
    uint64_t length = take<uint64_t>(what);
    return {reinterpret_cast<const char*>(take(length, what)), static_cast<size_t>(length)};
  }

  void read_head() {
    if (bytes_.size() < 4 || std::memcmp(bytes_.data(), "GGUF", 4) != 0) {
      fail("is not a GGUF file: it does not begin with \"GGUF\"");
    }
    position_ = 4;
    uint32_t version = take<uint32_t>("the header");
    if (version == 1) fail("GGUF version 1 is not supported: convert the model again (versions 2 and 3 are read)");
    if ((version & 0xffff) == 0 && version != 0) fail("is a big-endian GGUF file: Assay reads little-endian ones");
    if (version != 2 && version != 3) fail(fmt::format("unknown GGUF version {} (2 and 3 are read)", version));
    tensor_count_ = take<uint64_t>("the header");
    pair_count_ = take<uint64_t>("the header");
    // The shortest pair has 13 bytes, the shortest tensor info 32: larger counts cannot fit.
    uint64_t rest = bytes_.size() - position_;
    if (pair_count_ > rest / 13) fail(fmt::format("{} metadata pairs do not fit into the file", pair_count_));
    if (tensor_count_ > rest / 32) fail(fmt::format("{} tensors do not fit into the file", tensor_count_));
  }

  void read_pair(uint64_t index) {
    std::string place = fmt::format("metadata pair {}", index);
    std::string key(take_string(place));
    place = "metadata " + in_quotes(key);
    GgufFile::Value value;
    value.type = take<uint32_t>(place);
    if (value.type == kArray) {
      value.is_array = true;
      value.type = take<uint32_t>(place);
      value.count = take<uint64_t>(place);
      if (value.type == kArray) fail(place + " is an array of arrays, which is not supported");
    }
    if (value.type > kF64) fail(fmt::format("{} has the unknown type {}", place, value.type));
    value.data = bytes_.data() + position_;
    skip_values(value, place);
    if (!out_.metadata_.emplace(std::move(key), value).second) fail(place + " is there twice");
  }

  void skip_values(const GgufFile::Value& value, const std::string& place) {
    if (value.type == kString) {
      for (uint64_t i = 0; i < value.count; ++i) take_string(place);
      return;
    }
    size_t width = kTypeBytes[value.type];
    if (value.count > bytes_.size() / width) fail("the file ends inside " + place);
    const uint8_t* data = take(value.count * width, place);
    if (value.type != kBool) return;
    if (std::any_of(data, data + value.count, [](uint8_t byte) { return byte > 1; })) {
      fail(place + " has a truth value that is neither 0 nor 1");
    }
  }

  void read_info(uint64_t index) {
    std::string place = fmt::format("the entry of tensor {}", index);
    GgufTensor tensor;
    tensor.name = take_string(place);
    place = "tensor " + in_quotes(tensor.name);
    uint32_t dimensions = take<uint32_t>(place);
    if (dimensions < 1 || dimensions > 4) fail(fmt::format("{} has {} dimensions, not 1 to 4", place, dimensions));
    uint64_t elements = 1;
    for (uint32_t i = 0; i < dimensions; ++i) {
      uint64_t extent = take<uint64_t>(place);
      // 2^46 elements keep every product of sizes below 2^63.
      if (extent == 0 || extent > (uint64_t{1} << 46) / elements) fail(place + " has an impossible shape");
      elements *= extent;
      tensor.shape.push_back(static_cast<int64_t>(extent));
    }
    uint32_t type = take<uint32_t>(place);
    auto dtype = dtype_of_gguf(type);
    if (!dtype) {
      throw_input(out_.path_, fmt::format("{} has type {}, which Assay does not read", place, gguf_type_name(type)),
                  "use a file with only these types: " + readable_dtypes());
    }
    tensor.dtype = *dtype;
    if (static_cast<size_t>(tensor.shape[0]) % block_elements(*dtype) != 0) {
      fail(fmt::format("{} has rows of {} elements, which {} blocks of {} do not fill", place, tensor.shape[0],
                       to_string(*dtype), block_elements(*dtype)));
    }
    tensor.offset = take<uint64_t>(place);
    sizes_.push_back(bytes_for(*dtype, elements));
    if (!out_.tensor_index_.emplace(tensor.name, out_.tensors_.size()).second) fail(place + " is there twice");
    out_.tensors_.push_back(std::move(tensor));
  }

  // Turns the offsets into places in the file.
  void place_tensors() {
    if (out_.tensors_.empty()) return;
    int64_t alignment = out_.integer("general.alignment", 32);
    if (alignment < 1 || alignment > (1 << 20) || (alignment & (alignment - 1)) != 0) {
      out_.fail("general.alignment", fmt::format("is {}, not a power of two up to 2^20", alignment));
    }
    uint64_t align = static_cast<uint64_t>(alignment);
    uint64_t data_start = (position_ + align - 1) / align * align;
    for (size_t i = 0; i < out_.tensors_.size(); ++i) {
      GgufTensor& tensor = out_.tensors_[i];
      std::string place = "tensor " + in_quotes(tensor.name);
      if (tensor.offset % align != 0) {
        fail(fmt::format("{} begins at offset {}, not a multiple of {}", place, tensor.offset, align));
      }
      uint64_t room = data_start > bytes_.size() ? 0 : bytes_.size() - data_start;
      if (tensor.offset > room || sizes_[i] > room - tensor.offset) {
        throw_input(out_.path_,
                    fmt::format("the file ends inside {}: {} bytes at offset {} of {} bytes of data", place, sizes_[i],
                                tensor.offset, room),
                    "copy or download it again");
      }
      tensor.offset += data_start;
      tensor.bytes = bytes_.subspan(tensor.offset, sizes_[i]);
    }
  }

  void check_overlap() {
    std::vector<const GgufTensor*> sorted;
    for (const GgufTensor& tensor : out_.tensors_) sorted.push_back(&tensor);
    std::sort(sorted.begin(), sorted.end(), [](auto* a, auto* b) { return a->offset < b->offset; });
    for (size_t i = 1; i < sorted.size(); ++i) {
      if (sorted[i - 1]->offset + sorted[i - 1]->bytes.size() > sorted[i]->offset) {
        fail(fmt::format("tensors {} and {} overlap", in_quotes(sorted[i - 1]->name), in_quotes(sorted[i]->name)));
      }
    }
  }

  std::span<const uint8_t> bytes_;
  GgufFile& out_;
  uint64_t position_ = 0;
  uint64_t tensor_count_ = 0;
  uint64_t pair_count_ = 0;
  std::vector<uint64_t> sizes_;
};

GgufFile GgufFile::open(const std::string& path) {
  MappedFile mapped(path);
  GgufFile file = view(mapped.bytes(), path);
  file.file_ = std::move(mapped);
  return file;
}

GgufFile GgufFile::view(std::span<const uint8_t> bytes, const std::string& where) {
  GgufFile file;
  file.path_ = where;
  GgufReader(bytes, file).read();
  return file;
}

void GgufFile::fail(std::string_view key, std::string_view what) const {
  throw_input(path_, in_quotes(key) + " " + std::string(what));
}

const GgufFile::Value* GgufFile::find(std::string_view key) const {
  auto it = metadata_.find(key);
  return it == metadata_.end() ? nullptr : &it->second;
}

const GgufFile::Value& GgufFile::scalar(std::string_view key) const {
  const Value* value = find(key);
  if (!value) fail(key, "is missing");
  if (value->is_array) fail(key, "is an array, one value was expected");
  return *value;
}

const GgufFile::Value& GgufFile::array(std::string_view key) const {
  const Value* value = find(key);
  if (!value) fail(key, "is missing");
  if (!value->is_array) fail(key, fmt::format("is {}, an array was expected", kTypeNames[value->type]));
  return *value;
}

std::string GgufFile::text(std::string_view key) const {
  const Value& value = scalar(key);
  if (value.type != kString) fail(key, fmt::format("is {}, a text was expected", kTypeNames[value.type]));
  return std::string(string_at(value.data));
}

std::string GgufFile::text(std::string_view key, std::string_view otherwise) const {
  return has(key) ? text(key) : std::string(otherwise);
}

int64_t GgufFile::integer(std::string_view key) const {
  const Value& value = scalar(key);
  if (auto integer = integer_at(value.type, value.data)) return *integer;
  fail(key, fmt::format("is {}, a whole number below 2^63 was expected", kTypeNames[value.type]));
}

int64_t GgufFile::integer(std::string_view key, int64_t otherwise) const {
  return has(key) ? integer(key) : otherwise;
}

double GgufFile::number(std::string_view key) const {
  const Value& value = scalar(key);
  if (auto number = number_at(value.type, value.data)) return *number;
  fail(key, fmt::format("is {}, a number was expected", kTypeNames[value.type]));
}

double GgufFile::number(std::string_view key, double otherwise) const {
  return has(key) ? number(key) : otherwise;
}

bool GgufFile::boolean(std::string_view key) const {
  const Value& value = scalar(key);
  if (value.type != kBool) fail(key, fmt::format("is {}, true or false was expected", kTypeNames[value.type]));
  return *value.data != 0;
}

bool GgufFile::boolean(std::string_view key, bool otherwise) const {
  return has(key) ? boolean(key) : otherwise;
}

std::vector<std::string> GgufFile::texts(std::string_view key) const {
  const Value& value = array(key);
  if (value.type != kString) fail(key, fmt::format("holds {}, texts were expected", kTypeNames[value.type]));
  std::vector<std::string> texts;
  const uint8_t* data = value.data;
  for (uint64_t i = 0; i < value.count; ++i) {
    std::string_view text = string_at(data);
    texts.emplace_back(text);
    data += 8 + text.size();
  }
  return texts;
}

std::vector<int64_t> GgufFile::integers(std::string_view key) const {
  const Value& value = array(key);
  std::vector<int64_t> integers;
  for (uint64_t i = 0; i < value.count; ++i) {
    auto integer =
        value.type == kString ? std::nullopt : integer_at(value.type, value.data + i * kTypeBytes[value.type]);
    if (!integer) fail(key, fmt::format("holds {}, whole numbers were expected", kTypeNames[value.type]));
    integers.push_back(*integer);
  }
  return integers;
}

std::vector<double> GgufFile::numbers(std::string_view key) const {
  const Value& value = array(key);
  std::vector<double> numbers;
  for (uint64_t i = 0; i < value.count; ++i) {
    auto number = value.type == kString ? std::nullopt : number_at(value.type, value.data + i * kTypeBytes[value.type]);
    if (!number) fail(key, fmt::format("holds {}, numbers were expected", kTypeNames[value.type]));
    numbers.push_back(*number);
  }
  return numbers;
}

size_t GgufFile::count(std::string_view key) const {
  return array(key).count;
}

const GgufTensor* GgufFile::tensor(std::string_view name) const {
  auto it = tensor_index_.find(name);
  return it == tensor_index_.end() ? nullptr : &tensors_[it->second];
}

}  // namespace assay
