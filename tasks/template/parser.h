// Tokens -> syntax tree, by recursive descent over Jinja's grammar:
//
//   expression   or [if or [else expression]]            or, and, not: by keyword
//   compare      sum {(== != < <= > >= in, not in) sum}
//   sum          concat {(+ -) concat}      concat   product {~ product}
//   product      power {(* / // %) power}   power    unary {** unary}
//   unary        [- +] unary, or a primary with . [] () behind it; then | filters and `is` tests
//
// Nesting is bounded, so no source can exhaust the stack of the parser or of the interpreter.
#pragma once

#include <string_view>

#include "tasks/template/ast.h"
#include "tasks/template/template.h"

namespace assay::jinja {

// Throws SyntaxError (lexer.h): its type is "TemplateAssertionError" for an unknown filter or test.
TemplateTree parse_template(std::string_view source, const TemplateOptions& options);

}  // namespace assay::jinja
