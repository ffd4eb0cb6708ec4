#include "model_backend/tokenizer/post_processor.h"

#include "core/error.h"

namespace assay {
namespace {

TokenId token_id(const Json& json, const std::string& where) {
  if (!json.is_number_integer() || json.get<int64_t>() < 0 || json.get<int64_t>() >= Vocab::kIdLimit) {
    throw_input(where, "a token id was expected, not " + dump_json(json));
  }
  return json.get<TokenId>();
}

void append_special(const JsonObject& object, const std::string& name, std::vector<TokenId>& out) {
  JsonObject special = object.object("special_tokens");
  if (!special.has(name)) special.fail(name, "is used in \"single\" but missing");
  const Json& ids = special.object(name).child("ids");
  if (!ids.is_array()) special.fail(name, "must have a list of ids");
  for (const Json& id : ids) out.push_back(token_id(id, special.where() + ": " + name));
}

SpecialFrame read_template(const JsonObject& object) {
  const Json& single = object.child("single");
  if (!single.is_array()) object.fail("single", "must be a list");
  SpecialFrame frame;
  bool text_seen = false;
  for (const Json& entry : single) {
    JsonObject piece(entry, object.where() + ": single");
    if (piece.has("SpecialToken")) {
      append_special(object, piece.object("SpecialToken").text("id"), text_seen ? frame.after : frame.before);
    } else if (piece.object("Sequence").text("id") == "A" && !text_seen) {
      text_seen = true;
    } else {
      object.fail("single", "must hold the sequence A once and no other");
    }
  }
  if (!text_seen) object.fail("single", "must hold the sequence A");
  return frame;
}

// [text, id], as BertProcessing and RobertaProcessing write their tokens.
TokenId paired_id(const JsonObject& object, const char* key) {
  const Json& pair = object.child(key);
  if (!pair.is_array() || pair.size() != 2) object.fail(key, "must be a pair of text and id");
  return token_id(pair[1], object.where() + ": " + key);
}

}  // namespace

SpecialFrame read_post_processor(const Json& json, const std::string& where) {
  if (json.is_null()) return {};
  JsonObject object(json, where);
  std::string type = object.text("type");
  if (type == "ByteLevel") return {};
  if (type == "TemplateProcessing") return read_template(object);
  if (type == "BertProcessing" || type == "RobertaProcessing") {
    return {{paired_id(object, "cls")}, {paired_id(object, "sep")}};
  }
  if (type != "Sequence") throw_input(where, "the post-processor \"" + type + "\" is not supported");
  const Json& steps = object.child("processors");
  if (!steps.is_array()) object.fail("processors", "must be a list");
  SpecialFrame frame;
  for (size_t i = 0; i < steps.size(); ++i) {
    SpecialFrame outer = read_post_processor(steps[i], where + "[" + std::to_string(i) + "]");
    frame.before.insert(frame.before.begin(), outer.before.begin(), outer.before.end());
    frame.after.insert(frame.after.end(), outer.after.begin(), outer.after.end());
  }
  return frame;
}

}  // namespace assay
