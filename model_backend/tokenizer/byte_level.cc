#include "model_backend/tokenizer/byte_level.h"

#include <array>
#include <cstdint>

#include "core/text.h"

namespace assay {
namespace {

struct Alphabet {
  std::array<std::string, 256> text;        // byte -> UTF-8 of its stand-in
  std::array<int16_t, 0x100 + 68> byte_of;  // code point -> byte, -1 outside the alphabet

  Alphabet() {
    byte_of.fill(-1);
    char32_t next = 0x100;
    for (int byte = 0; byte < 256; ++byte) {
      bool printable = (byte >= 0x21 && byte <= 0x7E) || (byte >= 0xA1 && byte != 0xAD);
      char32_t code = printable ? static_cast<char32_t>(byte) : next++;
      append_utf8(text[byte], code);
      byte_of[code] = static_cast<int16_t>(byte);
    }
  }
};

const Alphabet& alphabet() {
  static const Alphabet table;
  return table;
}

}  // namespace

void append_byte_level(std::string_view text, std::string& out) {
  const Alphabet& table = alphabet();
  for (char byte : text) out += table.text[static_cast<uint8_t>(byte)];
}

std::string byte_level_bytes(std::string_view token) {
  const Alphabet& table = alphabet();
  std::string out;
  for (size_t position = 0; position < token.size();) {
    char32_t code = next_code_point(token, position);
    if (code >= table.byte_of.size() || table.byte_of[code] < 0) return std::string(token);
    out.push_back(static_cast<char>(table.byte_of[code]));
  }
  return out;
}

}  // namespace assay
