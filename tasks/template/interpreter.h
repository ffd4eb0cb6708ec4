// Runs a syntax tree. One object renders once and belongs to one thread.
#pragma once

#include <string>

#include "core/json.h"
#include "tasks/template/ast.h"
#include "tasks/template/template.h"

namespace assay::jinja {

// The output of a tree. `line` always names the line being run, so that whoever catches PythonError can say where.
std::string run_template(const TemplateTree& tree, const TemplateOptions& options, const Json& context, int& line);

// The value of the tree's only expression; its output where it is anything else.
Json run_expression(const TemplateTree& tree, const TemplateOptions& options, const Json& context, int& line);

}  // namespace assay::jinja
