// Every data format; the first byte chooses.
#include <cstddef>
#include <cstdint>
#include <string>

#include "core/error.h"
#include "tasks/data_file.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const std::vector<std::string> formats = assay::format_names();
  assay::DataSpec spec;
  spec.format = formats[data[0] % formats.size()];
  spec.typed_columns = data[0] >= 128;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  try {
    assay::parse_data(bytes, "fuzz", spec);
  } catch (const assay::Error&) {
  }
  return 0;
}
