// Items one by one: what the model saw, said, what was taken from it, and what it was worth.

#include <fmt/format.h>

#include "core/error.h"
#include "core/hash.h"
#include "reports/report.h"

namespace assay {
namespace {

std::string indented(const std::string& text) {
  std::string out = "    ";
  for (char c : text) {
    out += c;
    if (c == '\n') out += "    ";
  }
  return out + "\n";
}

Json continuation_json(const Request& request, size_t index, const ContinuationScore& score) {
  const std::string& text = request.kind == RequestKind::kRolling ? request.text : request.continuations[index];
  return {{"text", text},         {"logprob", score.logprob},       {"tokens", score.tokens},
          {"bytes", score.bytes}, {"characters", score.characters}, {"is_greedy", score.is_greedy}};
}

Json response_json(const Request& request, const std::optional<Response>& response) {
  if (!response) return nullptr;
  Json out = {{"status", to_string(response->status)}};
  if (!response->detail.empty()) out["detail"] = response->detail;
  for (size_t i = 0; i < response->continuations.size(); ++i) {
    out["continuations"].push_back(continuation_json(request, i, response->continuations[i]));
  }
  for (const GeneratedText& text : response->texts) {
    out["texts"].push_back({{"text", text.text}, {"finish", to_string(text.finish)}, {"tokens", text.tokens}});
  }
  out["prompt_tokens"] = response->prompt_tokens;
  out["truncated"] = response->truncated;
  return out;
}

Json score_json(const Score& score) {
  return {{"metric", score.metric}, {"filter", score.filter},       {"outcome", to_string(score.outcome)},
          {"value", score.value},   {"extracted", score.extracted}, {"gold", score.gold}};
}

Json word_json(const SampleWord& word) {
  Json out = {{"judge", word.judge},
              {"turn", word.part + 1},
              {"order", word.order},
              {"label", word.label},
              {"text", word.text}};
  out["score"] = or_null(word.score);
  if (!word.score) out["problem"] = word.problem;
  return out;
}

std::string word_text(const SampleWord& word) {
  const std::string order = word.order == "single" ? "" : ", " + word.order;
  const std::string value = word.score ? fmt::format("{:g}", *word.score) : "no score: " + word.problem;
  return fmt::format("  judge {}, turn {}{}: {}\n", word.judge, word.part + 1, order, value) + indented(word.text);
}

std::string program_text(const SampleProgram& program, size_t all) {
  std::string out = all > 1 ? fmt::format("  program {}: {}", program.sample + 1, program.verdict)
                            : fmt::format("  program: {}", program.verdict);
  out += program.reason.empty() ? "\n" : ", " + program.reason + "\n";
  return program.output.empty() ? out : out + "  its output:\n" + indented(program.output);
}

std::string line_json(const Sample& sample) {
  Json out = {{"task", sample.task}, {"convention", sample.convention}, {"item", sample.prompt.item_id}};
  Json requests = Json::array();
  for (size_t i = 0; i < sample.requests.size(); ++i) {
    const Request& request = sample.requests[i];
    Json entry = {{"kind", to_string(request.kind)}};
    if (request.kind == RequestKind::kRolling) {
      entry["text"] = request.text;
    } else {
      entry["prompt"] = request.context;
    }
    entry["response"] = response_json(request, sample.responses[i]);
    requests.push_back(std::move(entry));
  }
  out["requests"] = std::move(requests);
  out["scores"] = Json::array();
  for (const Score& score : sample.scores) out["scores"].push_back(score_json(score));
  for (const SampleWord& word : sample.words) out["judgements"].push_back(word_json(word));
  for (const SampleProgram& program : sample.programs) {
    out["programs"].push_back({{"sample", program.sample},
                               {"verdict", program.verdict},
                               {"reason", program.reason},
                               {"output", program.output}});
  }
  return dump_json(out) + "\n";
}

// One line an item and filter, as that harness writes its samples_<task>.jsonl.
std::string lm_eval_lines(const Sample& sample) {
  Json arguments = Json::object(), responses = Json::array();
  std::string prompts;
  size_t count = 0;
  for (size_t i = 0; i < sample.requests.size(); ++i) {
    const Request& request = sample.requests[i];
    const auto& response = sample.responses[i];
    auto add = [&](Json first, Json second, Json answer) {
      arguments["gen_args_" + std::to_string(count++)] = {{"arg_0", std::move(first)}, {"arg_1", std::move(second)}};
      responses.push_back(Json::array({std::move(answer)}));
    };
    prompts += request.context;
    if (request.kind == RequestKind::kGenerate) {
      Json texts = Json::array();
      if (response) {
        for (const GeneratedText& text : response->texts) texts.push_back(text.text);
      }
      const GenerateSettings& settings = request.generate;
      Json options = {{"until", settings.stop},
                      {"max_gen_toks", settings.max_tokens},
                      {"do_sample", settings.temperature > 0},
                      {"temperature", settings.temperature}};
      arguments["gen_args_" + std::to_string(count++)] = {{"arg_0", request.context}, {"arg_1", options}};
      responses.push_back(texts);
    } else if (request.kind == RequestKind::kRolling) {
      arguments["gen_args_" + std::to_string(count++)] = {{"arg_0", request.text}};
      bool have = response && !response->continuations.empty();
      responses.push_back(Json::array({have ? Json(response->continuations[0].logprob) : Json(nullptr)}));
    } else {
      for (size_t k = 0; k < request.continuations.size(); ++k) {
        bool have = response && k < response->continuations.size();
        add(request.context, request.continuations[k],
            have ? Json::array({response->continuations[k].logprob, response->continuations[k].is_greedy})
                 : Json(nullptr));
      }
    }
  }
  std::vector<std::string> filters;
  for (const Score& score : sample.scores) {
    if (std::find(filters.begin(), filters.end(), score.filter) == filters.end()) filters.push_back(score.filter);
  }
  Json target = sample.prompt.gold_index >= 0 ? Json(sample.prompt.gold_index) : Json(sample.prompt.target);
  std::string out;
  for (const std::string& filter : filters) {
    Json line = {{"doc_id", sample.doc_id}, {"doc", sample.prompt.fields.json()},
                 {"target", target},        {"arguments", arguments},
                 {"resps", responses},      {"filter", filter}};
    Json filtered = Json::array(), metrics = Json::array(), values = Json::object();
    for (const Score& score : sample.scores) {
      if (score.filter != filter) continue;
      if (filtered.empty()) filtered.push_back(score.outcome == Outcome::kUnparsed ? "[invalid]" : score.extracted);
      metrics.push_back(score.metric);
      values[score.metric] = score.value;
    }
    bool generated = !sample.requests.empty() && sample.requests[0].kind == RequestKind::kGenerate;
    if (!generated) {
      filtered = Json::array();
      for (const Json& response : responses) filtered.push_back(response[0]);
    }
    line["filtered_resps"] = filtered;
    line["metrics"] = metrics;
    line["doc_hash"] = sha256_hex(sample.prompt.fields.text());
    line["prompt_hash"] = sha256_hex(prompts);
    line["target_hash"] = sha256_hex(target.is_string() ? target.get<std::string>() : dump_json(target));
    line.update(values);
    out += dump_json(line) + "\n";
  }
  return out;
}

std::string people_text(const Sample& sample) {
  std::string out = fmt::format("── {}@{}  {}\n", sample.task, sample.convention, sample.prompt.item_id);
  for (size_t i = 0; i < sample.requests.size(); ++i) {
    const Request& request = sample.requests[i];
    const auto& response = sample.responses[i];
    out += sample.requests.size() > 1 ? fmt::format("  prompt {}:\n", i + 1) : "  prompt:\n";
    out += indented(request.kind == RequestKind::kRolling ? request.text : request.context);
    if (!response) {
      out += "  response: missing\n";
      continue;
    }
    if (response->status != ResponseStatus::kAnswered) {
      out += fmt::format("  response: {} {}\n", to_string(response->status), response->detail);
    }
    for (size_t k = 0; k < response->continuations.size(); ++k) {
      const ContinuationScore& score = response->continuations[k];
      std::string text = request.kind == RequestKind::kRolling ? "(the text)" : request.continuations[k];
      out += fmt::format("  {:>12.4f}  {}{}\n", score.logprob, text, score.is_greedy ? "   (greedy)" : "");
    }
    for (const GeneratedText& text : response->texts) {
      out += fmt::format("  response ({}, {} tokens):\n", to_string(text.finish), text.tokens) + indented(text.text);
    }
  }
  for (const Score& score : sample.scores) {
    out += fmt::format("  {}{}: {:.4g} ({})   answer: {}   gold: {}\n", score.metric,
                       score.filter == "none" ? "" : "," + score.filter, score.value, to_string(score.outcome),
                       score.outcome == Outcome::kUnparsed ? "none found" : score.extracted, score.gold);
  }
  for (const SampleProgram& program : sample.programs) out += program_text(program, sample.programs.size());
  for (const SampleWord& word : sample.words) out += word_text(word);
  return out + "\n";
}

}  // namespace

std::string render_samples(const std::vector<Sample>& samples, const std::string& format) {
  std::string (*render)(const Sample&) = format == "table"           ? people_text
                                         : format == "jsonl"         ? line_json
                                         : format == "lm-eval-jsonl" ? lm_eval_lines
                                                                     : nullptr;
  if (!render) throw_input("--format " + format, "unknown format for samples", "known: table jsonl lm-eval-jsonl");
  std::string out;
  for (const Sample& sample : samples) out += render(sample);
  return out;
}

}  // namespace assay
