#include "tasks/python_regex.h"

#include <oniguruma.h>

#include <unordered_map>

#include "core/error.h"
#include "core/text.h"

namespace assay {
namespace {

// Steps of backtracking after which a search gives up; about a second.
constexpr unsigned long kRetryLimit = 20'000'000;

struct ParametersFree {
  void operator()(OnigMatchParam* parameters) const { onig_free_match_param(parameters); }
};
struct RegexFree {
  void operator()(regex_t* regex) const { onig_free(regex); }
};
struct RegionFree {
  void operator()(OnigRegion* region) const { onig_region_free(region, 1); }
};
using Region = std::unique_ptr<OnigRegion, RegionFree>;

const UChar* bytes(std::string_view text) {
  return reinterpret_cast<const UChar*>(text.data());
}

// Starts the library on first use. The limits live here and not in the library's globals, which others use too.
OnigMatchParam* match_parameters() {
  static const std::unique_ptr<OnigMatchParam, ParametersFree> parameters = [] {
    OnigEncoding encodings[] = {ONIG_ENCODING_UTF8};
    ASSAY_ASSERT(onig_initialize(encodings, 1) == ONIG_NORMAL, "Oniguruma starts");
    OnigMatchParam* made = onig_new_match_param();
    onig_initialize_match_param(made);
    onig_set_retry_limit_in_match_of_match_param(made, kRetryLimit);
    onig_set_retry_limit_in_search_of_match_param(made, kRetryLimit);
    return std::unique_ptr<OnigMatchParam, ParametersFree>(made);
  }();
  return parameters.get();
}

std::string valid_text(std::string_view text) {
  return is_valid_utf8(text) ? std::string(text) : replace_invalid_utf8(text);
}

}  // namespace

struct PythonRegex::Compiled {
  std::unique_ptr<regex_t, RegexFree> regex;

  // Calls visit(region) for every match, in Python's order: a match may be empty, and one that is empty is followed by
  // a search for a longer one at the same place before the search moves on. `text` is valid UTF-8.
  template <typename Visit>
  void each_match(std::string_view text, Visit visit) const {
    const UChar* begin = bytes(text);
    const UChar* end = begin + text.size();
    const Region region(onig_region_new());
    OnigMatchParam* const parameters = match_parameters();
    const UChar* at = begin;
    while (true) {
      int place = onig_search_with_param(regex.get(), begin, end, at, end, region.get(), ONIG_OPTION_NONE, parameters);
      if (place < 0) return;
      visit(*region);
      at = begin + region->end[0];
      if (region->beg[0] != region->end[0]) continue;
      if (at >= end) return;
      if (onig_match_with_param(regex.get(), begin, end, at, region.get(), ONIG_OPTION_FIND_NOT_EMPTY, parameters) >
          0) {
        visit(*region);
        at = begin + region->end[0];
      } else {
        at += ONIGENC_MBC_ENC_LEN(ONIG_ENCODING_UTF8, at);
      }
    }
  }
};

PythonRegex::PythonRegex(const std::string& pattern, std::string_view where) {
  match_parameters();
  if (!is_valid_utf8(pattern)) throw_input(where, "the pattern is not UTF-8");
  OnigErrorInfo error;
  regex_t* regex = nullptr;
  const int code = onig_new(&regex, bytes(pattern), bytes(pattern) + pattern.size(), ONIG_OPTION_CAPTURE_GROUP,
                            ONIG_ENCODING_UTF8, ONIG_SYNTAX_PYTHON, &error);
  if (code != ONIG_NORMAL) {
    UChar message[ONIG_MAX_ERROR_MESSAGE_LEN];
    const int length = onig_error_code_to_str(message, code, &error);
    throw_input(where, "the pattern '" + pattern + "' does not compile: " +
                           std::string(reinterpret_cast<char*>(message), static_cast<size_t>(length)));
  }
  auto compiled = std::make_shared<Compiled>();
  compiled->regex.reset(regex);
  compiled_ = std::move(compiled);
}

const PythonRegex& PythonRegex::cached(const std::string& pattern) {
  thread_local std::unordered_map<std::string, PythonRegex> cache;
  auto found = cache.find(pattern);
  if (found == cache.end()) found = cache.emplace(pattern, PythonRegex(pattern)).first;
  return found->second;
}

std::vector<std::vector<std::string>> PythonRegex::find_all(std::string_view text) const {
  const std::string subject = valid_text(text);
  std::vector<std::vector<std::string>> matches;
  compiled_->each_match(subject, [&](const OnigRegion& region) {
    std::vector<std::string> groups;
    for (int group = region.num_regs > 1 ? 1 : 0; group < region.num_regs; ++group) {
      const int begin = region.beg[group], end = region.end[group];
      groups.push_back(begin < 0 ? "" : subject.substr(static_cast<size_t>(begin), static_cast<size_t>(end - begin)));
    }
    matches.push_back(std::move(groups));
  });
  return matches;
}

std::string PythonRegex::replace_in(std::string_view text, std::string_view replacement) const {
  const std::string subject = valid_text(text);
  std::string kept;
  size_t at = 0;
  compiled_->each_match(subject, [&](const OnigRegion& region) {
    kept.append(subject, at, static_cast<size_t>(region.beg[0]) - at).append(replacement);
    at = static_cast<size_t>(region.end[0]);
  });
  return kept + subject.substr(at);
}

}  // namespace assay
