#include "model_backend/checkpoint/weights_hash.h"

#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>

#include "tests/model_backend/checkpoint/file_builders.h"
#include "tests/support.h"

namespace assay {
using namespace testing;

namespace {

// Sets $ASSAY_CACHE for one test.
class CacheFolder {
 public:
  explicit CacheFolder(const std::string& path) { ::setenv("ASSAY_CACHE", path.c_str(), 1); }
  ~CacheFolder() { ::unsetenv("ASSAY_CACHE"); }
};

std::string hash_of(const TinyLlama& model) {
  TemporaryFolder folder, cache;
  CacheFolder use(cache.path());
  return Checkpoint::open(model.write(folder)).weights_hash();
}

}  // namespace

TEST_CASE("the hash follows from what computes, not from where it lies") {
  TinyLlama model;
  std::string hash = hash_of(model);
  CHECK(hash.size() == 64);
  CHECK(hash_of(model) == hash);

  std::reverse(model.tensors.begin(), model.tensors.end());
  CHECK(hash_of(model) == hash);
  model.config["transformers_version"] = "4.0";
  CHECK(hash_of(model) == hash);

  model.config["rope_theta"] = 10001;
  CHECK(hash_of(model) != hash);
  model.config["rope_theta"] = 10000;
  CHECK(hash_of(model) == hash);
  model.tensor("lm_head.weight").bytes[100] ^= 1;
  CHECK(hash_of(model) != hash);
}

TEST_CASE("a hash is remembered until a file changes") {
  TemporaryFolder folder, cache;
  CacheFolder use(cache.path());
  TinyLlama model;
  model.write(folder);
  std::string first = Checkpoint::open(folder.path()).weights_hash();
  Json remembered = read_json_file(cache.file("weights.json"));
  REQUIRE(remembered.size() == 1);

  // What is remembered is believed: the next call reads no weights.
  remembered.begin().value() = std::string(64, 'a');
  cache.write("weights.json", remembered.dump());
  CHECK(Checkpoint::open(folder.path()).weights_hash() != first);

  std::filesystem::last_write_time(folder.file("model.safetensors"),
                                   std::filesystem::file_time_type::clock::now() - std::chrono::hours(1));
  CHECK(Checkpoint::open(folder.path()).weights_hash() == first);
  CHECK(read_json_file(cache.file("weights.json")).size() == 2);
}

TEST_CASE("a cache that cannot be used costs time only") {
  TemporaryFolder folder, cache;
  TinyLlama model;
  model.write(folder);
  std::string hash = hash_of(model);
  cache.write("weights.json", "{broken");
  {
    CacheFolder use(cache.path());
    CHECK(Checkpoint::open(folder.path()).weights_hash() == hash);
  }
  CacheFolder use(folder.file("config.json"));  // a file where a folder should be
  CHECK(Checkpoint::open(folder.path()).weights_hash() == hash);
}

}  // namespace assay
