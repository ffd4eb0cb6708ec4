// Any bytes as a template: parsed and rendered in both environments, with small limits.
#include <string>

#include "core/error.h"
#include "tasks/template/template.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const assay::Json kContext = {
      {"question", "What is 1+1?"},
      {"choices", {"one", "two"}},
      {"answer", 1},
      {"add_generation_prompt", true},
      {"messages", {{{"role", "user"}, {"content", "Hi"}}, {{"role", "assistant"}, {"content", "Hello"}}}}};
  for (assay::TemplateOptions options : {assay::TemplateOptions::task_prompt(), assay::TemplateOptions::chat()}) {
    options.max_steps = 20'000;
    options.max_output_bytes = 1 << 16;
    options.now = std::tm{};
    try {
      const std::string source(reinterpret_cast<const char*>(data), size);
      assay::Template::parse(source, "fuzz", options).evaluate(kContext);
    } catch (const assay::Error&) {
    }
  }
  return 0;
}
