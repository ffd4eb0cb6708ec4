// The little HTML that Jinja's filters know: escaping, URLs, stripped tags, attributes.
#pragma once

#include <string>
#include <string_view>

namespace assay::jinja {

// & < > ' " as entities.
std::string escape_html(std::string_view text);
// Tags and comments removed, runs of white space made one blank, entities resolved.
std::string strip_tags(std::string_view text);
// Percent-encodes everything but letters, digits and "_.-~" (and "/" unless for_query; then a blank becomes "+").
std::string quote_url(std::string_view text, bool for_query);

}  // namespace assay::jinja
