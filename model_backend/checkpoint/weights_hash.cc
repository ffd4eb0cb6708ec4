// Threads: hash_tensors starts one worker a core. They share a counter that deals out tensors, largest first so that
// none is left for the end, and each writes the digest of its tensor into a slot that no other worker touches.
//
// weights.json: {"<key>": "<hash of the tensors>"}; the key is a FieldHash over paths, sizes and times of change. It is
// replaced whole, so two processes may lose each other's entry but never see half a file.
#include "model_backend/checkpoint/weights_hash.h"

#include <sys/stat.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <optional>
#include <thread>

#include "core/error.h"
#include "core/hash.h"
#include "core/json.h"
#include "core/text.h"

namespace assay {
namespace {
namespace fs = std::filesystem;

std::string hash_tensor(const TensorView& tensor) {
  FieldHash head;
  head.add(tensor.name).add(to_string(tensor.dtype)).add_number(tensor.interleaved_heads);
  for (int64_t extent : tensor.shape) head.add_number(extent);
  Sha256 sha;
  sha.update(head.hex());
  sha.update(tensor.data, bytes_for(tensor.dtype, static_cast<size_t>(tensor.elements())));
  return sha.finish().hex();
}

// Empty when no folder for caches is known.
std::string cache_path() {
  auto environment = [](const char* name) -> std::string {
    const char* value = std::getenv(name);
    return value ? value : "";
  };
  if (std::string folder = environment("ASSAY_CACHE"); !folder.empty()) return folder + "/weights.json";
  if (std::string folder = environment("XDG_CACHE_HOME"); !folder.empty()) return folder + "/assay/weights.json";
  if (std::string folder = environment("HOME"); !folder.empty()) return folder + "/.cache/assay/weights.json";
  return {};
}

// Nothing when a file cannot be looked at.
std::optional<std::string> cache_key(const std::vector<std::string>& files) {
  FieldHash hash;
  hash.add("weights 1");
  for (const std::string& file : files) {
    std::error_code error;
    fs::path whole = fs::canonical(file, error);
    struct stat status;
    if (error || ::stat(whole.c_str(), &status) != 0) return std::nullopt;
    hash.add(whole.string()).add_number(status.st_size);
    hash.add_number(status.st_mtim.tv_sec).add_number(status.st_mtim.tv_nsec);
  }
  return hash.hex();
}

// An empty object when there is no cache or it is damaged.
Json read_cache(const std::string& path) {
  try {
    Json cache = fs::exists(path) ? read_json_file(path) : Json::object();
    if (cache.is_object()) return cache;
  } catch (const Error&) {
    // Hashing again is always possible.
  } catch (const fs::filesystem_error&) {
  }
  return Json::object();
}

void write_cache(const std::string& path, const Json& cache) {
  try {
    fs::create_directories(fs::path(path).parent_path());
    write_file_atomically(path, dump_json(cache, 1) + "\n");
  } catch (const Error&) {
    // A cache that cannot be written is no reason to stop a run.
  } catch (const fs::filesystem_error&) {
  }
}

}  // namespace

std::string hash_tensors(const std::map<std::string, TensorView, std::less<>>& tensors) {
  std::vector<const TensorView*> views;
  for (const auto& [name, tensor] : tensors) views.push_back(&tensor);
  std::vector<size_t> order(views.size());
  for (size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return views[a]->elements() > views[b]->elements(); });

  std::vector<std::string> digests(views.size());
  std::atomic<size_t> next = 0;
  auto work = [&] {
    for (size_t i = next++; i < order.size(); i = next++) digests[order[i]] = hash_tensor(*views[order[i]]);
  };
  std::vector<std::thread> workers;
  size_t cores = std::max(1u, std::thread::hardware_concurrency());
  for (size_t i = 1; i < std::min(cores, views.size()); ++i) workers.emplace_back(work);
  work();
  for (std::thread& worker : workers) worker.join();

  FieldHash hash;
  for (const std::string& digest : digests) hash.add(digest);
  return hash.hex();
}

std::string remembered_tensor_hash(const std::map<std::string, TensorView, std::less<>>& tensors,
                                   const std::vector<std::string>& files) {
  std::string path = cache_path();
  std::optional<std::string> key = cache_key(files);
  if (path.empty() || !key) return hash_tensors(tensors);
  Json cache = read_cache(path);
  if (auto it = cache.find(*key); it != cache.end() && it->is_string() && it->get<std::string>().size() == 64) {
    return it->get<std::string>();
  }
  std::string hash = hash_tensors(tensors);
  cache = read_cache(path);  // another process may have added to it meanwhile
  cache[*key] = hash;
  write_cache(path, cache);
  return hash;
}

std::string hash_config(const ModelConfig& config) {
  FieldHash hash;
  hash.add(config.architecture);
  for (int count : {config.layers, config.hidden, config.heads, config.kv_heads, config.head_dim, config.intermediate,
                    config.vocab, config.context_length}) {
    hash.add_number(count);
  }
  hash.add_real(config.norm_eps).add_real(config.rope_theta);
  const RopeScaling& scaling = config.rope_scaling;
  hash.add_number(scaling.kind);
  for (double value : {scaling.factor, scaling.low_freq_factor, scaling.high_freq_factor, scaling.original_max_position,
                       scaling.attention_factor.value_or(-1), scaling.beta_fast, scaling.beta_slow, scaling.mscale,
                       scaling.mscale_all_dim}) {
    hash.add_real(value);
  }
  hash.add_number(scaling.truncate).add_number(static_cast<int64_t>(config.rope_factors.size()));
  for (float factor : config.rope_factors) hash.add_real(factor);
  for (bool flag : {config.tied_head, config.attention_bias, config.output_bias, config.mlp_bias})
    hash.add_number(flag);
  hash.add_number(config.sliding_window.value_or(0)).add_number(config.sliding_window_first_layer);
  hash.add_number(config.bos_id.value_or(-1));
  for (int id : config.eos_ids) hash.add_number(id);
  return hash.hex();
}

}  // namespace assay
