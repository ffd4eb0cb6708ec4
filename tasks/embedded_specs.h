// The built-in task files. The body is written by cmake/EmbedSpecs.cmake at build time.
#pragma once

#include <string_view>
#include <vector>

namespace assay {

struct EmbeddedSpec {
  std::string_view path;  // relative to tasks/specs: "mmlu/mmlu.yaml"
  std::string_view text;
};

// In order of path.
const std::vector<EmbeddedSpec>& embedded_specs();

}  // namespace assay
