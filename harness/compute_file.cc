#include "harness/compute_file.h"

#include <cmath>
#include <cstdlib>

#include "core/error.h"
#include "core/text.h"
#include "core/yaml.h"
#include "tasks/csv.h"

namespace assay {
namespace {

double positive(const std::string& where, double value) {
  if (!std::isfinite(value) || value <= 0) throw_input(where, "needs a number above 0");
  return value;
}

double positive(const std::string& where, const Json& value) {
  if (!value.is_number()) throw_input(where, "needs a number above 0");
  return positive(where, value.get<double>());
}

double positive(const std::string& where, const std::string& text) {
  char* end = nullptr;
  const double value = std::strtod(text.c_str(), &end);
  if (text.empty() || *end != '\0') throw_input(where, "\"" + text + "\" is not a number");
  return positive(where, value);
}

std::optional<int64_t> step_of(const std::string& name) {
  if (name.empty() || name.size() > 15 || name.find_first_not_of("0123456789") != std::string::npos)
    return std::nullopt;
  return std::stoll(name);
}

// A name of digits is a training step; it may be a label too.
void add(Compute& compute, const std::string& name, const Spent& spent) {
  compute.by_label[name] = spent;
  if (auto step = step_of(name)) compute.by_step[*step] = spent;
}

void refuse_others(const YamlDocument& document, const Json& object, const std::string& pointer,
                   const std::vector<std::string>& known) {
  for (const auto& [key, value] : object.items()) {
    if (std::find(known.begin(), known.end(), key) != known.end()) continue;
    throw_input(document.where(pointer + "/" + pointer_step(key)), "unknown field \"" + key + "\"",
                "docs/formats/compute.md lists the fields");
  }
}

const Json& object_at(const YamlDocument& document, const Json& value, const std::string& pointer,
                      const std::vector<std::string>& known) {
  if (!value.is_object()) throw_input(document.where(pointer), "needs fields, \"name: value\"");
  if (!known.empty()) refuse_others(document, value, pointer, known);
  return value;
}

Spent spent_of(const YamlDocument& document, const Json& value, const std::string& pointer) {
  if (value.is_number()) return {positive(document.where(pointer), value), std::nullopt};
  const Json& fields = object_at(document, value, pointer, {"tokens", "flops_per_token"});
  if (!fields.contains("tokens")) throw_input(document.where(pointer), "has no tokens");
  Spent spent{positive(document.where(pointer + "/tokens"), fields["tokens"]), std::nullopt};
  if (fields.contains("flops_per_token")) {
    spent.flops_per_token = positive(document.where(pointer + "/flops_per_token"), fields["flops_per_token"]);
  }
  return spent;
}

double flops_of_shape(const YamlDocument& document, const Json& value) {
  const Json& shape = object_at(document, value, "/model", {"layers", "width", "sequence"});
  auto field = [&](const char* name) {
    if (!shape.contains(name)) throw_input(document.where("/model"), std::string("has no ") + name);
    return positive(document.where(std::string("/model/") + name), shape[name]);
  };
  return non_embedding_flops_per_token(field("layers"), field("width"), field("sequence"));
}

Compute from_yaml(const std::string& text, const std::string& path) {
  const YamlDocument document = parse_yaml(text, path);
  const Json& fields = object_at(document, document.value, "",
                                 {"tokens_per_step", "flops_per_token", "model", "checkpoints", "predict"});
  Compute compute;
  if (fields.contains("tokens_per_step")) {
    compute.tokens_per_step = positive(document.where("/tokens_per_step"), fields["tokens_per_step"]);
  }
  if (fields.contains("model")) compute.flops_per_token = flops_of_shape(document, fields["model"]);
  if (fields.contains("flops_per_token")) {
    compute.flops_per_token = positive(document.where("/flops_per_token"), fields["flops_per_token"]);
  }
  if (fields.contains("checkpoints")) {
    const Json& checkpoints = object_at(document, fields["checkpoints"], "/checkpoints", {});
    for (const auto& [name, value] : checkpoints.items()) {
      add(compute, name, spent_of(document, value, "/checkpoints/" + pointer_step(name)));
    }
  }
  if (fields.contains("predict")) {
    const Json& budgets = fields["predict"];
    if (!budgets.is_array()) throw_input(document.where("/predict"), "needs a list of FLOPs");
    for (const Json& budget : budgets) compute.budgets.push_back(positive(document.where("/predict"), budget));
  }
  return compute;
}

Compute from_csv(const std::string& text, const std::string& path) {
  const std::vector<CsvRecord> records = parse_csv(text, ',', path);
  if (records.empty()) throw_input(path, "is empty", "its first line names the columns: step,tokens,flops_per_token");
  std::optional<size_t> name, tokens, flops;
  for (size_t i = 0; i < records[0].fields.size(); ++i) {
    const std::string title(strip(records[0].fields[i]));
    if (title == "step" || title == "checkpoint") name = i;
    if (title == "tokens") tokens = i;
    if (title == "flops_per_token") flops = i;
  }
  if (!name || !tokens) {
    throw_input(path + ":1", "needs a column \"step\" or \"checkpoint\" and a column \"tokens\"");
  }
  Compute compute;
  for (size_t i = 1; i < records.size(); ++i) {
    const std::string where = path + ":" + std::to_string(records[i].line);
    if (records[i].fields.size() != records[0].fields.size()) {
      throw_input(where, "has another number of fields than the first line");
    }
    auto field = [&](size_t index) { return std::string(strip(records[i].fields[index])); };
    Spent spent{positive(where, field(*tokens)), std::nullopt};
    if (flops && !field(*flops).empty()) spent.flops_per_token = positive(where, field(*flops));
    add(compute, field(*name), spent);
  }
  return compute;
}

}  // namespace

Compute read_compute_file(const std::string& path) {
  const std::string text = read_file(path);
  return ends_with(path, ".csv") ? from_csv(text, path) : from_yaml(text, path);
}

}  // namespace assay
