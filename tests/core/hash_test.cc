#include "core/hash.h"

#include <catch2/catch.hpp>

#include "core/records.h"
#include "tests/support.h"

namespace assay {

TEST_CASE("SHA-256 gives the published digests") {
  CHECK(sha256_hex("") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  CHECK(sha256_hex("abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  CHECK(sha256_hex("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq") ==
        "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  CHECK(sha256_hex(std::string(1000000, 'a')) == "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST_CASE("SHA-256 does not depend on how the bytes were cut") {
  std::string text;
  for (int i = 0; i < 500; ++i) text.push_back(static_cast<char>(i));
  for (size_t cut : {1u, 63u, 64u, 65u, 128u, 499u}) {
    Sha256 sha;
    sha.update(text.substr(0, cut));
    sha.update(text.substr(cut));
    CHECK(sha.finish().hex() == sha256_hex(text));
  }
}

TEST_CASE("fields cannot run into each other") {
  CHECK(FieldHash().add("ab").add("c").hex() != FieldHash().add("a").add("bc").hex());
}

TEST_CASE("a request's identity has everything that can change the answer, and nothing else") {
  Request request;
  request.context = "Question: 1+1?\nAnswer:";
  request.continuations = {" 2", " 3"};
  const Digest base = request_hash(request, "model");
  Request other = request;
  other.task = "arithmetic", other.item_id = "test/x/0", other.part = 3, other.shared_bytes = 7;
  CHECK(request_hash(other, "model") == base);
  CHECK(request_hash(request, "another model") != base);
  other = request, other.continuations = {" 3", " 2"};
  CHECK(request_hash(other, "model") != base);
  other = request, other.context += " ";
  CHECK(request_hash(other, "model") != base);
  other = request, other.truncate_left = true;
  CHECK(request_hash(other, "model") != base);

  Request sampled;
  sampled.kind = RequestKind::kGenerate;
  sampled.context = "Once";
  Request seeded = sampled;
  seeded.generate.seed = 7;
  CHECK(request_hash(sampled, "m") == request_hash(seeded, "m"));  // greedy
  sampled.generate.temperature = seeded.generate.temperature = 0.5;
  CHECK(request_hash(sampled, "m") != request_hash(seeded, "m"));
}

}  // namespace assay
