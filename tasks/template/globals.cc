#include "tasks/template/globals.h"

#include <ctime>

#include "core/text.h"
#include "tasks/template/argument_reader.h"
#include "tasks/template/operators.h"
#include "tasks/template/python_format.h"

namespace assay::jinja {
namespace {

using Args = const Arguments&;

constexpr int64_t kMaxSandboxRange = 100000;  // Jinja's sandbox has this bound

Value make_range(Runtime& runtime, const Value&, Args arguments) {
  ArgumentReader read(runtime, "range", arguments, {"start", "stop", "step"}, 1);
  if (!arguments.named.empty()) fail("TypeError", "range() takes no keyword arguments");
  Range* range = runtime.heap.make<Range>();
  range->stop = read.integer(0, 0);
  if (read.has(1)) {
    range->start = range->stop;
    range->stop = read.integer(1, 0);
  }
  range->step = read.integer(2, 1);
  if (range->step == 0) fail("ValueError", "range() arg 3 must not be zero");
  if (runtime.environment.chat && range->length() > kMaxSandboxRange) {
    fail("OverflowError", "Range too big. The sandbox blocks ranges larger than MAX_RANGE (100000).");
  }
  return range;
}

// The entries that dict(mapping_or_pairs, **named) has.
void fill_dict(Runtime& runtime, const char* name, Dict& dict, Args arguments) {
  if (arguments.positional.size() > 1) {
    fail("TypeError",
         std::string(name) + " expected at most 1 argument, got " + std::to_string(arguments.positional.size()));
  }
  if (!arguments.positional.empty()) {
    const Value& source = arguments.positional[0];
    if (source.is(Kind::kDict)) {
      for (const auto& [key, value] : source.dict().entries()) dict.set(key, value);
    } else {
      Iterator* iterator = iterate(runtime, source);
      for (Value item; iterator->next(item);) {
        const std::vector<Value> pair = to_vector(runtime, item);
        if (pair.size() != 2) fail("ValueError", "dictionary update sequence element has not length 2");
        dict.set(pair[0], pair[1]);
      }
    }
  }
  for (const auto& [key, value] : arguments.named) dict.set(runtime.heap.string(key), value);
  runtime.heap.charge_items(dict.size(), 4);
}

Value make_dict(Runtime& runtime, const Value&, Args arguments) {
  Dict* dict = runtime.heap.make<Dict>();
  fill_dict(runtime, "dict", *dict, arguments);
  return dict;
}

Value make_namespace(Runtime& runtime, const Value&, Args arguments) {
  Namespace* space = runtime.heap.make<Namespace>();
  fill_dict(runtime, "namespace", space->attributes, arguments);
  return space;
}

Value make_cycler(Runtime& runtime, const Value&, Args arguments) {
  if (arguments.positional.empty()) fail("RuntimeError", "at least one item has to be provided");
  if (!arguments.named.empty()) fail("TypeError", "cycler() takes no keyword arguments");
  Cycler* cycler = runtime.heap.make<Cycler>();
  cycler->items = arguments.positional;
  return cycler;
}

Value make_joiner(Runtime& runtime, const Value&, Args arguments) {
  ArgumentReader read(runtime, "joiner", arguments, {"sep"});
  Joiner* joiner = runtime.heap.make<Joiner>();
  joiner->separator = read.value(0, runtime.heap.string(", "));
  return joiner;
}

Value make_lipsum(Runtime&, const Value&, Args) {
  fail("TypeError", "lipsum() makes random text, which prompts must not have");
}

Value raise_exception(Runtime& runtime, const Value&, Args arguments) {
  ArgumentReader read(runtime, "raise_exception", arguments, {"message"}, 1);
  fail("TemplateError", str(runtime, read.value(0)));
}

std::tm local_time() {
  const std::time_t now = std::time(nullptr);
  std::tm local{};
  localtime_r(&now, &local);
  return local;
}

Value strftime_now(Runtime& runtime, const Value&, Args arguments) {
  ArgumentReader read(runtime, "strftime_now", arguments, {"format"}, 1);
  const std::tm now = runtime.environment.now ? *runtime.environment.now : local_time();
  std::string format = read.text(0, "");
  if (format.size() > 4096) fail("LimitError", "the date format is too long");
  // %f, microseconds, is Python's own.
  if (format.find("%f") != std::string::npos) format = replace_all(format, "%f", "000000");
  std::string out(64 * format.size() + 64, '\0');
  out.resize(std::strftime(out.data(), out.size(), format.c_str(), &now));
  return runtime.heap.string(std::move(out));
}

struct Global {
  const char* name;
  Function::Body body;
  bool chat_only;
};

constexpr Global kGlobals[] = {
    {"range", make_range, false},
    {"dict", make_dict, false},
    {"namespace", make_namespace, false},
    {"cycler", make_cycler, false},
    {"joiner", make_joiner, false},
    {"lipsum", make_lipsum, false},
    {"raise_exception", raise_exception, true},
    {"strftime_now", strftime_now, true},
};

}  // namespace

std::optional<Value> find_global(Runtime& runtime, const std::string& name) {
  for (const Global& global : kGlobals) {
    if (name != global.name || (global.chat_only && !runtime.environment.chat)) continue;
    Function* function = runtime.heap.make<Function>();
    function->name = name;
    function->body = global.body;
    return function;
  }
  return std::nullopt;
}

}  // namespace assay::jinja
