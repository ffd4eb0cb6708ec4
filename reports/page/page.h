// The report as HTML: one file that needs no network.
//
// The page is a frame (page.html, page.css, page.js, built into the program) and one JSON value that its script draws.
// The value lies in a <script type="application/json"> where no text of a model can end it ("<" is written \u003c); the
// script puts texts into the document as text only, never as markup. A Content-Security-Policy forbids everything
// that is not in the file.
//
// Shape of the value (docs/formats/page.md): title, generated, software, database; results as in `report --json`, runs,
// curves, fits, baselines, comparisons as in `compare --json`, audits as in `audit --json`, judges, left_out. A
// section whose key is absent or empty is left out.
#pragma once

#include <string>

#include "core/json.h"

namespace assay {

// The page. With `live` the script asks the server for news, "state" and "data" beside the page's address.
std::string page_html(const Json& data, bool live);

// The items page, over a value as items_data() gives it; with `live` items come from the server, "items.json".
std::string items_page_html(const Json& data, bool live);

}  // namespace assay
