// Model name -> backend. "scheme:rest" chooses by scheme; anything else is a checkpoint for the engine.
#include <filesystem>
#include <string_view>

#include "core/error.h"
#include "core/text.h"
#include "model_backend/backend.h"
#include "model_backend/engine/engine_backend.h"
#include "model_backend/http/http_backend.h"
#include "model_backend/scripted_backend.h"

namespace assay {
namespace {

struct Scheme {
  const char* name;
  std::unique_ptr<Backend> (*open)(const std::string& rest, const BackendOptions& options);
};

constexpr Scheme kSchemes[] = {
    {"engine", open_engine_backend},
    {"openai", open_http_backend},
    {"scripted", [](const std::string& path, const BackendOptions&) { return open_scripted_backend(path); }},
};

}  // namespace

std::unique_ptr<Backend> open_backend(const std::string& model, const BackendOptions& options) {
  for (const Scheme& scheme : kSchemes) {
    const std::string prefix = std::string(scheme.name) + ":";
    if (starts_with(model, prefix)) return scheme.open(model.substr(prefix.size()), options);
  }
  const size_t colon = model.find(':');
  if (colon != std::string::npos && colon > 0 && model.find('/') > colon && !std::filesystem::exists(model)) {
    throw_input(model, "there is no backend of the name \"" + model.substr(0, colon) + "\"",
                "write a checkpoint folder, FILE.gguf, openai:NAME or scripted:FILE; servers of other makers are asked "
                "as openai:NAME through their OpenAI-compatible address");
  }
  return open_engine_backend(model, options);
}

}  // namespace assay
