// Safetensors, little-endian, as a grammar:
//
//   file   := length:u64 header:byte{length} data
//   header := a JSON object, maybe padded with spaces: name -> {"dtype": text, "shape": [extent...],
//             "data_offsets": [begin, end]}, and "__metadata__" -> {text: text}
//
// Offsets count from the start of `data`, half-open. Tensors fill `data` without hole or overlap.
#include "model_backend/checkpoint/safetensors.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <set>

#include "core/error.h"
#include "core/json.h"
#include "core/text.h"
#include "model_backend/checkpoint/messages.h"

namespace assay {
namespace {

// As the format's own library: longer headers are taken for damage.
constexpr uint64_t kMaxHeaderBytes = 100'000'000;

struct StoredType {
  const char* name;
  size_t bytes;  // of one element
};
constexpr StoredType kStoredTypes[] = {{"BOOL", 1}, {"U8", 1},  {"I8", 1},  {"F8_E5M2", 1}, {"F8_E4M3", 1},
                                       {"I16", 2},  {"U16", 2}, {"F16", 2}, {"BF16", 2},    {"I32", 4},
                                       {"U32", 4},  {"F32", 4}, {"F64", 8}, {"I64", 8},     {"U64", 8}};

// A non-negative whole number below 2^62; anything else is an Error.
uint64_t size_of(const Json& value, const std::string& where, const std::string& place) {
  if (!value.is_number_integer() || value.get<int64_t>() < 0 || value.get<uint64_t>() >> 62 != 0) {
    throw_input(where, place + " must be a whole number of at least 0");
  }
  return value.get<uint64_t>();
}

SafetensorsTensor read_entry(const std::string& name, const Json& json, std::span<const uint8_t> data,
                             const std::string& where) {
  std::string place = "tensor " + in_quotes(name);
  JsonObject entry(json, where + ": " + place);
  SafetensorsTensor tensor;
  tensor.name = name;
  tensor.dtype_name = entry.text("dtype");
  auto type = std::find_if(std::begin(kStoredTypes), std::end(kStoredTypes),
                           [&](const StoredType& row) { return tensor.dtype_name == row.name; });
  if (type == std::end(kStoredTypes))
    throw_input(where, place + " has the unknown dtype " + in_quotes(tensor.dtype_name));
  tensor.dtype = dtype_of_safetensors(tensor.dtype_name);

  const Json& shape = entry.child("shape");
  if (!shape.is_array()) entry.fail("shape", "must be a list");
  uint64_t bytes = type->bytes;
  for (const Json& extent_json : shape) {
    uint64_t extent = size_of(extent_json, where, place + ": an extent of \"shape\"");
    if (__builtin_mul_overflow(bytes, extent, &bytes) || bytes >> 62 != 0) throw_input(where, place + " is too large");
    tensor.shape.push_back(static_cast<int64_t>(extent));
  }

  const Json& offsets = entry.child("data_offsets");
  if (!offsets.is_array() || offsets.size() != 2) entry.fail("data_offsets", "must be a list of two numbers");
  uint64_t begin = size_of(offsets[0], where, place + ": \"data_offsets\"");
  uint64_t end = size_of(offsets[1], where, place + ": \"data_offsets\"");
  if (begin > end) throw_input(where, place + " ends before it begins");
  if (end - begin != bytes) {
    throw_input(where, fmt::format("{} has {} bytes, but its shape and dtype need {}", place, end - begin, bytes));
  }
  if (end > data.size()) {
    throw_input(
        where,
        fmt::format("the file ends inside {}: bytes {} to {} of {} bytes of data", place, begin, end, data.size()),
        "copy or download it again");
  }
  tensor.bytes = data.subspan(begin, bytes);
  return tensor;
}

// Reads the header entry by entry, so that its size in memory is that of one entry. Members that the format does not
// have are skipped; a name that stands twice and deeper nesting are refused.
void parse_header(std::string_view text, std::span<const uint8_t> data, const std::string& where,
                  std::vector<SafetensorsTensor>& tensors) {
  std::set<std::string> names;
  std::string name;
  auto watch = [&](int depth, Json::parse_event_t event, Json& value) {
    if (depth > 3) throw_input(where, "the header is nested deeper than safetensors allows");
    if (event == Json::parse_event_t::key && depth == 1) {
      name = value.get<std::string>();
      if (!names.insert(name).second) throw_input(where, "tensor " + in_quotes(name) + " is there twice");
      return name != "__metadata__";
    }
    if (event == Json::parse_event_t::key && depth == 2) {
      return value == "dtype" || value == "shape" || value == "data_offsets";
    }
    if (event != Json::parse_event_t::object_end || depth != 1) return true;
    tensors.push_back(read_entry(name, value, data, where));
    return false;
  };
  Json rest;
  try {
    rest = Json::parse(text.begin(), text.end(), watch);
  } catch (const nlohmann::json::exception& problem) {
    throw_input(where, "malformed header: " + replace_invalid_utf8(problem.what()));
  }
  if (!rest.is_object()) throw_input(where, "the header is not a JSON object");
  if (!rest.empty()) throw_input(where, "tensor " + in_quotes(rest.begin().key()) + " has no JSON object as its entry");
}

// Precondition: sorted by place.
void check_places(const std::vector<SafetensorsTensor>& tensors, std::span<const uint8_t> data,
                  const std::string& where) {
  const uint8_t* end = data.data();
  for (const SafetensorsTensor& tensor : tensors) {
    if (tensor.bytes.data() < end) throw_input(where, "tensor " + in_quotes(tensor.name) + " overlaps another one");
    if (tensor.bytes.data() > end) throw_input(where, "there is a hole before tensor " + in_quotes(tensor.name));
    end = tensor.bytes.data() + tensor.bytes.size();
  }
  if (end != data.data() + data.size()) {
    throw_input(where, fmt::format("{} bytes after the last tensor belong to none", data.data() + data.size() - end));
  }
}

}  // namespace

SafetensorsFile SafetensorsFile::open(const std::string& path) {
  MappedFile mapped(path);
  SafetensorsFile file = view(mapped.bytes(), path);
  file.file_ = std::move(mapped);
  return file;
}

SafetensorsFile SafetensorsFile::view(std::span<const uint8_t> bytes, const std::string& where) {
  SafetensorsFile file;
  file.path_ = where;
  file.read(bytes);
  return file;
}

void SafetensorsFile::read(std::span<const uint8_t> bytes) {
  if (bytes.size() < 8) throw_input(path_, "is not a safetensors file: it has less than 8 bytes");
  uint64_t length;
  std::memcpy(&length, bytes.data(), sizeof length);
  if (length > bytes.size() - 8) {
    throw_input(path_, fmt::format("the header ({} bytes) is longer than the file ({} bytes)", length, bytes.size()),
                "the file is damaged or not safetensors: copy or download it again");
  }
  if (length > kMaxHeaderBytes) throw_input(path_, fmt::format("a header of {} bytes is too long", length));
  std::span<const uint8_t> data = bytes.subspan(8 + length);
  parse_header({reinterpret_cast<const char*>(bytes.data() + 8), static_cast<size_t>(length)}, data, path_, tensors_);
  std::stable_sort(tensors_.begin(), tensors_.end(), [](const SafetensorsTensor& a, const SafetensorsTensor& b) {
    return std::pair(a.bytes.data(), a.bytes.size()) < std::pair(b.bytes.data(), b.bytes.size());
  });
  check_places(tensors_, data, path_);
  for (size_t i = 0; i < tensors_.size(); ++i) index_.emplace(tensors_[i].name, i);
}

const SafetensorsTensor* SafetensorsFile::tensor(std::string_view name) const {
  auto it = index_.find(name);
  return it == index_.end() ? nullptr : &tensors_[it->second];
}

}  // namespace assay
