// Template source -> tokens.
//
// Outside tags everything is data up to the next "{{", "{%", "{#" or {% raw %}. White space control happens here:
// "-" beside a tag strips all white space on its side; trim_blocks drops the newline after a block tag or comment;
// lstrip_blocks drops the blanks before one that starts its line; "+" switches either off for one tag. Line ends
// \r\n and \r become \n. Inside tags the tokens are Python's, and a closing "}}" or "%}" only counts outside
// brackets.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "tasks/template/template.h"

namespace assay::jinja {

enum class TokenKind : uint8_t {
  kData,
  kVariableBegin,
  kVariableEnd,
  kBlockBegin,
  kBlockEnd,
  kName,
  kString,
  kInteger,
  kFloat,
  kOperator,  // text: one of + - / // * % ** ~ [ ] ( ) { } == != > >= < <= = . : | , ;
  kEnd,
};

struct Token {
  TokenKind kind = TokenKind::kEnd;
  int line = 1;      // 1-based, where the token starts
  std::string text;  // names, operators, data; strings with their escapes resolved
  int64_t integer = 0;
  double real = 0;

  bool is_operator(std::string_view wanted) const { return kind == TokenKind::kOperator && text == wanted; }
  bool is_name(std::string_view wanted) const { return kind == TokenKind::kName && text == wanted; }
};

// A malformed template: line and sentence. Internal to this folder.
struct SyntaxError {
  int line;
  std::string message;
  std::string type = "TemplateSyntaxError";
};

// Always ends in a kEnd token. Throws SyntaxError.
std::vector<Token> tokenize(std::string_view source, const TemplateOptions& options);

}  // namespace assay::jinja
