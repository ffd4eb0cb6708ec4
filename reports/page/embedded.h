// The files of this folder, carried in the program.
#pragma once

#include <string_view>

namespace assay {

std::string_view embedded_page_html();
std::string_view embedded_items_html();
std::string_view embedded_page_css();
std::string_view embedded_common_js();
std::string_view embedded_page_js();
std::string_view embedded_items_js();

}  // namespace assay
