#include "core/error.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace assay {
namespace {

std::string compose(std::string_view where, std::string_view what, std::string_view next) {
  std::string text;
  text.append(where);
  if (!where.empty()) text.append(": ");
  text.append(what);
  if (!next.empty()) {
    text.append(" (");
    text.append(next);
    text.append(")");
  }
  return text;
}

}  // namespace

Error::Error(Kind kind, std::string_view where, std::string_view what, std::string_view next)
    : std::runtime_error(compose(where, what, next)), kind_(kind), where_(where) {}

void throw_input(std::string_view where, std::string_view what, std::string_view next) {
  throw Error(Error::Kind::kInput, where, what, next);
}

void throw_world(std::string_view where, std::string_view what, std::string_view next) {
  throw Error(Error::Kind::kWorld, where, what, next);
}

void throw_errno(std::string_view where, std::string_view what, int error_number, std::string_view next) {
  throw Error(Error::Kind::kWorld, where, std::string(what) + ": " + std::strerror(error_number), next);
}

namespace internal {

void assertion_failed(const char* condition, const char* sentence, const char* file, int line) {
  std::fprintf(stderr, "assay: internal error at %s:%d: %s [%s]\nThis is a bug in Assay, please report it.\n", file,
               line, sentence, condition);
  std::abort();
}

}  // namespace internal
}  // namespace assay
