#include "reports/page/page.h"

#include "core/text.h"
#include "reports/chart.h"
#include "reports/page/embedded.h"

namespace assay {
namespace {

// JSON that can stand inside <script>: no "<" begins a tag or comment, no line separator ends a line of old scripts.
std::string script_json(const Json& data) {
  std::string out;
  for (char c : dump_json(data)) {
    switch (c) {
      case '<':
        out += "\\u003c";
        break;
      case '>':
        out += "\\u003e";
        break;
      case '&':
        out += "\\u0026";
        break;
      default:
        out += c;
    }
  }
  return out;
}

struct Part {
  std::string_view mark;  // "{{style}}"
  std::string text;
};

// The frame with its marks replaced, in one pass: a replacement is never searched for marks.
std::string filled(std::string_view frame, const std::vector<Part>& parts) {
  std::string out;
  while (true) {
    size_t first = std::string_view::npos;
    const Part* next = nullptr;
    for (const Part& part : parts) {
      const size_t at = frame.find(part.mark);
      if (at < first) first = at, next = &part;
    }
    out += frame.substr(0, first);
    if (!next) return out;
    out += next->text;
    frame.remove_prefix(first + next->mark.size());
  }
}

std::string page(std::string_view frame, std::string_view script, const Json& data, bool live) {
  const std::string title = data.contains("title") && data["title"].is_string() ? data["title"].get<std::string>() : "";
  return filled(frame, {{"{{title}}", xml_text(title)},
                        {"{{connect}}", live ? "'self'" : "'none'"},
                        {"{{live}}", live ? "true" : "false"},
                        {"{{style}}", chart_style() + std::string(embedded_page_css())},
                        {"{{data}}", script_json(data)},
                        {"{{script}}", std::string(embedded_common_js()) + std::string(script)}});
}

}  // namespace

std::string page_html(const Json& data, bool live) {
  return page(embedded_page_html(), embedded_page_js(), data, live);
}

std::string items_page_html(const Json& data, bool live) {
  return page(embedded_items_html(), embedded_items_js(), data, live);
}

}  // namespace assay
