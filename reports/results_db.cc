#include "reports/results_db.h"

#include <fmt/format.h>
#include <sqlite3.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <ctime>
#include <exception>
#include <filesystem>
#include <mutex>
#include <thread>

#include "core/error.h"
#include "core/hash.h"
#include "core/text.h"
#include "reports/schema.h"

namespace assay {
namespace {

constexpr auto kFlushInterval = std::chrono::milliseconds(400);
constexpr size_t kFlushCount = 16384;            // responses: bounds the length of one transaction
constexpr int64_t kLogBytes = 32 << 20;          // from which on the log is moved into the file
constexpr size_t kFlushBytes = size_t{8} << 20;  // texts among them: bounds memory
constexpr int kBusyTimeoutMs = 30000;
constexpr int kApplicationId = 0x41535359;  // "ASSY", in the file's header

[[noreturn]] void fail(sqlite3* handle, const std::string& path, const std::string& doing) {
  int code = sqlite3_errcode(handle);
  std::string what = doing + ": " + sqlite3_errmsg(handle);
  switch (code & 0xFF) {
    case SQLITE_NOTADB:
      throw_input(path, "is not a report database", "give another file to --db");
    case SQLITE_FULL:
      throw_world(path, what, "the disk is full: free some space, then give the same command again");
    case SQLITE_CANTOPEN:
    case SQLITE_READONLY:
    case SQLITE_PERM:
      throw_world(path, what, "is the file or its folder read-only? Choose another --db");
    case SQLITE_BUSY:
      throw_world(path, what, "another program holds the database; try again when it is done");
    case SQLITE_CORRUPT:
      throw_world(path, what, "the file is damaged: restore a copy, or choose another --db");
    default:
      throw_world(path, what);
  }
}

// One connection and the statements that were prepared on it.
class Connection {
 public:
  Connection(const std::string& path, int flags) : path_(path) {
    if (sqlite3_open_v2(path.c_str(), &handle_, flags, nullptr) != SQLITE_OK) {
      Error problem(Error::Kind::kWorld, path, handle_ ? sqlite3_errmsg(handle_) : "cannot open",
                    "is the folder there and writable?");
      sqlite3_close(handle_);
      throw problem;
    }
    sqlite3_extended_result_codes(handle_, 1);
    sqlite3_busy_timeout(handle_, kBusyTimeoutMs);
  }
  ~Connection() {
    for (auto& [sql, statement] : statements_) sqlite3_finalize(statement);
    sqlite3_close(handle_);
  }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  void execute(const char* sql) {
    if (sqlite3_exec(handle_, sql, nullptr, nullptr, nullptr) != SQLITE_OK) fail(handle_, path_, "cannot write");
  }
  int64_t pragma(const char* sql) {
    sqlite3_stmt* statement = prepare(sql);
    if (sqlite3_step(statement) != SQLITE_ROW) fail(handle_, path_, "cannot read");
    int64_t value = sqlite3_column_int64(statement, 0);
    sqlite3_reset(statement);
    return value;
  }
  // Prepared once, kept under its address: `sql` is a literal.
  sqlite3_stmt* prepare(const char* sql) {
    auto found = statements_.find(sql);
    if (found != statements_.end()) return found->second;
    sqlite3_stmt* statement = nullptr;
    if (sqlite3_prepare_v2(handle_, sql, -1, &statement, nullptr) != SQLITE_OK) {
      fail(handle_, path_, "cannot prepare a statement");
    }
    return statements_[sql] = statement;
  }
  sqlite3* handle() { return handle_; }
  const std::string& path() const { return path_; }
  int changes() { return sqlite3_changes(handle_); }  // rows of the last statement
  int64_t last_id() { return sqlite3_last_insert_rowid(handle_); }

 private:
  std::string path_;
  sqlite3* handle_ = nullptr;
  std::unordered_map<const void*, sqlite3_stmt*> statements_;
};

// One use of a prepared statement: values are bound in order, rows are stepped through, the end resets it.
class Query {
 public:
  Query(Connection& connection, const char* sql) : connection_(connection), statement_(connection.prepare(sql)) {}
  ~Query() {
    sqlite3_reset(statement_);
    sqlite3_clear_bindings(statement_);
  }
  Query& bind(int64_t value) { return check(sqlite3_bind_int64(statement_, next_++, value)); }
  Query& bind(int value) { return bind(static_cast<int64_t>(value)); }
  Query& bind(double value) { return check(sqlite3_bind_double(statement_, next_++, value)); }
  // Texts with a name stay where they are until the query ends; others are copied.
  Query& bind(const std::string& text) {
    return check(sqlite3_bind_text64(statement_, next_++, text.data(), text.size(), SQLITE_STATIC, SQLITE_UTF8));
  }
  Query& bind(std::string_view text) {
    return check(sqlite3_bind_text64(statement_, next_++, text.data(), text.size(), SQLITE_STATIC, SQLITE_UTF8));
  }
  Query& bind(std::string&& text) {
    return check(sqlite3_bind_text64(statement_, next_++, text.data(), text.size(), SQLITE_TRANSIENT, SQLITE_UTF8));
  }
  Query& bind(const char* literal) { return check(sqlite3_bind_text(statement_, next_++, literal, -1, SQLITE_STATIC)); }
  template <typename T>
  Query& bind(const std::optional<T>& value) {
    return value ? bind(*value) : check(sqlite3_bind_null(statement_, next_++));
  }
  // True when a row is there.
  bool step() {
    int code = sqlite3_step(statement_);
    if (code == SQLITE_ROW) return true;
    if (code != SQLITE_DONE) fail(connection_.handle(), connection_.path(), "cannot read or write");
    return false;
  }
  void run() {
    while (step()) {
    }
  }

  int64_t integer(int column) const { return sqlite3_column_int64(statement_, column); }
  double real(int column) const { return sqlite3_column_double(statement_, column); }
  bool is_null(int column) const { return sqlite3_column_type(statement_, column) == SQLITE_NULL; }
  std::string text(int column) const {
    auto* bytes = reinterpret_cast<const char*>(sqlite3_column_text(statement_, column));
    return bytes ? std::string(bytes, static_cast<size_t>(sqlite3_column_bytes(statement_, column))) : std::string();
  }
  std::optional<int64_t> optional_integer(int column) const {
    return is_null(column) ? std::nullopt : std::optional<int64_t>(integer(column));
  }
  std::optional<double> optional_real(int column) const {
    return is_null(column) ? std::nullopt : std::optional<double>(real(column));
  }

 private:
  Query& check(int code) {
    if (code != SQLITE_OK) fail(connection_.handle(), connection_.path(), "cannot bind a value");
    return *this;
  }
  Connection& connection_;
  sqlite3_stmt* statement_;
  int next_ = 1;
};

// BEGIN IMMEDIATE .. COMMIT; rolled back when left by an exception.
class Transaction {
 public:
  explicit Transaction(Connection& connection) : connection_(connection) { connection_.execute("BEGIN IMMEDIATE"); }
  ~Transaction() {
    if (!done_) sqlite3_exec(connection_.handle(), "ROLLBACK", nullptr, nullptr, nullptr);
  }
  void commit() {
    connection_.execute("COMMIT");
    done_ = true;
  }

 private:
  Connection& connection_;
  bool done_ = false;
};

std::string now_utc() {
  std::time_t now = std::time(nullptr);
  std::tm parts;
  gmtime_r(&now, &parts);
  char text[32];
  std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts);
  return text;
}

Outcome outcome_from(const std::string& name) {
  for (Outcome outcome :
       {Outcome::kScored, Outcome::kUnparsed, Outcome::kTimedOut, Outcome::kRefused, Outcome::kMissing}) {
    if (name == to_string(outcome)) return outcome;
  }
  throw_input("database", "unknown outcome \"" + name + "\"");
}

ResponseStatus status_from(const std::string& name) {
  for (ResponseStatus status : {ResponseStatus::kAnswered, ResponseStatus::kTooLong}) {
    if (name == to_string(status)) return status;
  }
  return ResponseStatus::kFailed;
}

// A response of the columns status, prompt_tokens, truncated, answer, the first of which is `column`.
Response read_response(const Query& query, int column, const std::string& path) {
  Response response = response_from_json(parse_json(query.text(column + 3), path + ": responses"));
  response.status = status_from(query.text(column));
  response.prompt_tokens = static_cast<int>(query.integer(column + 1));
  response.truncated = query.integer(column + 2) != 0;
  return response;
}

}  // namespace

// Two connections on one file: `main_` for the caller's threads (under main_mutex_), one inside the writing thread.
struct ResultsDb::Implementation {
  Implementation(const std::string& path, int flags) : path_(path), main_(path, flags) {}

  std::string path_;
  std::mutex main_mutex_;  // guards main_
  Connection main_;

  std::mutex queue_mutex_;  // guards the six below
  std::condition_variable queue_changed_;
  std::vector<std::pair<std::string, Response>> queue_;
  size_t queue_bytes_ = 0;
  bool writing_ = false;
  bool stopping_ = false;
  bool flush_wanted_ = false;
  std::exception_ptr write_error_;
  std::thread writer_;

  void start_writer() {
    writer_ = std::thread([this] { write_loop(); });
  }

  void write_loop() {
    std::unique_lock lock(queue_mutex_);
    while (true) {
      // After a failed write nothing is written any more: those who wait learn of it, and nobody may be kept from it.
      queue_changed_.wait_for(lock, kFlushInterval,
                              [&] { return stopping_ || (!write_error_ && (flush_wanted_ || is_queue_full())); });
      flush_wanted_ = false;
      if (!queue_.empty() && !write_error_) {
        std::vector<std::pair<std::string, Response>> batch;
        batch.swap(queue_);
        queue_bytes_ = 0;
        writing_ = true;
        queue_changed_.notify_all();  // there is room again
        lock.unlock();
        std::exception_ptr problem;
        try {
          std::lock_guard guard(main_mutex_);
          write_responses(batch);
        } catch (...) {
          problem = std::current_exception();
        }
        lock.lock();
        writing_ = false;
        if (problem) write_error_ = problem;
        queue_changed_.notify_all();
      }
      if (stopping_ && (queue_.empty() || write_error_)) return;
    }
  }

  bool is_queue_full() const { return queue_.size() >= kFlushCount || queue_bytes_ >= kFlushBytes; }
  bool has_room() const { return queue_.size() < 2 * kFlushCount && queue_bytes_ < 8 * kFlushBytes; }

  // In order of hash, so that responses that lie on one page of the file are written together.
  void write_responses(const std::vector<std::pair<std::string, Response>>& batch) {
    std::vector<const std::pair<std::string, Response>*> order;
    for (const auto& one : batch) order.push_back(&one);
    std::stable_sort(order.begin(), order.end(), [](auto* a, auto* b) { return a->first < b->first; });
    Transaction transaction(main_);
    for (const auto* one : order) {
      const auto& [hash, response] = *one;
      Query(main_, "INSERT OR IGNORE INTO responses VALUES (?, ?, ?, ?, ?)")
          .bind(hash)
          .bind(to_string(response.status))
          .bind(response.prompt_tokens)
          .bind(response.truncated ? 1 : 0)
          .bind(response_json(response))
          .run();
    }
    transaction.commit();
  }

  void stop_writer() {
    if (!writer_.joinable()) return;
    {
      std::lock_guard lock(queue_mutex_);
      stopping_ = true;
    }
    queue_changed_.notify_all();
    writer_.join();
  }

  void migrate() {
    const int64_t newest = static_cast<int64_t>(migrations().size());
    if (main_.pragma("PRAGMA user_version") == newest) return;
    // One transaction for all steps: a process killed in the middle leaves the old version whole.
    Transaction transaction(main_);
    for (int64_t version = main_.pragma("PRAGMA user_version"); version < newest; ++version) {
      main_.execute(migrations()[static_cast<size_t>(version)]);
      main_.execute(fmt::format("PRAGMA user_version = {}", version + 1).c_str());
    }
    main_.execute(fmt::format("PRAGMA application_id = {}", kApplicationId).c_str());
    transaction.commit();
  }

  int64_t text_id(const std::string& text) {
    std::string hash = sha256_hex(text);
    Query(main_, "INSERT OR IGNORE INTO texts (hash, text) VALUES (?, ?)").bind(hash).bind(text).run();
    Query find(main_, "SELECT id FROM texts WHERE hash = ?");
    find.bind(hash).step();
    return find.integer(0);
  }

  int64_t content_id(const std::string& content, std::optional<int64_t> head) {
    std::string hash = FieldHash().add(content).add_number(head.value_or(0)).hex();
    Query(main_, "INSERT OR IGNORE INTO items (hash, head_id, content) VALUES (?, ?, ?)")
        .bind(hash)
        .bind(head)
        .bind(content)
        .run();
    if (main_.changes() == 1) return main_.last_id();
    Query find(main_, "SELECT id FROM items WHERE hash = ?");
    find.bind(hash).step();
    return find.integer(0);
  }
};

ResultsDb::ResultsDb(std::unique_ptr<Implementation> implementation) : implementation_(std::move(implementation)) {}

ResultsDb::~ResultsDb() {
  implementation_->stop_writer();
}

const std::string& ResultsDb::path() const {
  return implementation_->path_;
}

std::unique_ptr<ResultsDb> ResultsDb::open(const std::string& path, Mode mode) {
  const bool writes = mode == Mode::kReadWrite;
  if (std::error_code ignored; !writes && !std::filesystem::exists(path, ignored)) {
    throw_input(path, "no such report database", "give --db FILE, or make one with `assay run`");
  }
  int flags = SQLITE_OPEN_FULLMUTEX | (writes ? SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE : SQLITE_OPEN_READONLY);
  auto implementation = std::make_unique<Implementation>(path, flags);
  Connection& main = implementation->main_;
  // Everything that may be refused is looked at before the first write.
  const int64_t found = main.pragma("PRAGMA user_version"), newest = static_cast<int64_t>(migrations().size());
  if (found > newest) {
    throw_input(path, fmt::format("has schema version {}, this program knows versions up to {}", found, newest),
                "use the newer Assay that wrote it, or another --db");
  }
  if (found == 0 && (!writes || main.pragma("PRAGMA schema_version") > 0)) {
    throw_input(path, "is not a report database", "give another file to --db");
  }
  if (!writes && found < newest) {
    throw_input(path, fmt::format("has the older schema version {}", found),
                "open it once with `assay run` or `assay score`");
  }
  if (writes) {
    if (sqlite3_db_readonly(main.handle(), "main") == 1) {
      throw_world(path, "the file is read-only", "choose another --db");
    }
    main.execute("PRAGMA page_size = 16384");  // of a new file: a fifth less time for a run's rows than pages of 4 KiB
    main.execute("PRAGMA journal_mode = WAL");
    main.execute("PRAGMA synchronous = FULL");
    // Items, responses and indices are keyed by hashes: what is written lies all over the file, so it should stay in
    // memory until it is written, and be moved from the log into the file less often.
    main.execute("PRAGMA cache_size = -32768");  // KiB
    main.execute(fmt::format("PRAGMA wal_autocheckpoint = {}", kLogBytes / main.pragma("PRAGMA page_size")).c_str());
    main.execute("PRAGMA foreign_keys = ON");
    implementation->migrate();
    implementation->start_writer();
  }
  return std::unique_ptr<ResultsDb>(new ResultsDb(std::move(implementation)));
}

int64_t ResultsDb::begin_run(const RunRecord& run) {
  auto& db = *implementation_;
  std::lock_guard lock(db.main_mutex_);
  Transaction transaction(db.main_);
  const CheckpointRecord& checkpoint = run.checkpoint;
  Query(db.main_,
        "INSERT OR IGNORE INTO checkpoints (identity, label, step, model, weights_hash, tokenizer_hash, numerics) "
        "VALUES (?, ?, ?, ?, ?, ?, ?)")
      .bind(checkpoint.identity)
      .bind(checkpoint.label)
      .bind(checkpoint.step)
      .bind(checkpoint.model)
      .bind(checkpoint.weights_hash)
      .bind(checkpoint.tokenizer_hash)
      .bind(checkpoint.numerics)
      .run();
  Query(db.main_,
        "INSERT INTO runs (run_key, checkpoint_id, settings, software, started) "
        "VALUES (?, (SELECT id FROM checkpoints WHERE identity = ? AND label = ?), ?, ?, ?) "
        "ON CONFLICT (run_key) DO UPDATE SET complete = 0, finished = NULL, "
        "settings = excluded.settings, software = excluded.software")
      .bind(run.run_key)
      .bind(checkpoint.identity)
      .bind(checkpoint.label)
      .bind(dump_json(run.settings))
      .bind(run.software)
      .bind(now_utc())
      .run();
  int64_t id = 0;
  {
    Query find(db.main_, "SELECT id FROM runs WHERE run_key = ?");
    find.bind(run.run_key).step();
    id = find.integer(0);
  }
  transaction.commit();
  return id;
}

void ResultsDb::put_task(int64_t run, const TaskRecord& task) {
  auto& db = *implementation_;
  std::lock_guard lock(db.main_mutex_);
  Transaction transaction(db.main_);
  Query(db.main_, "INSERT OR REPLACE INTO tasks VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)")
      .bind(run)
      .bind(task.position)
      .bind(task.task)
      .bind(task.convention)
      .bind(task.alias)
      .bind(task.is_group ? 1 : 0)
      .bind(task.depth)
      .bind(task.version)
      .bind(task.shots)
      .bind(task.headline)
      .bind(task.weighting)
      .bind(task.note)
      .bind(task.definition)
      .run();
  transaction.commit();
}

void ResultsDb::put_items(int64_t run, const TaskRecord& task, const std::vector<ItemRecord>& items) {
  put_items(run, task, items.size(), [&](size_t i) {
    const ItemRecord& item = items[i];
    return ItemView{item.position, &item.prompt, item.requests, item.request_hashes};
  });
}

void ResultsDb::put_items(int64_t run, const TaskRecord& task, size_t count,
                          const std::function<ItemView(size_t)>& item_at) {
  auto& db = *implementation_;
  std::lock_guard lock(db.main_mutex_);
  Transaction transaction(db.main_);
  Query(db.main_, "DELETE FROM requests WHERE run_id = ? AND task = ? AND convention = ?")
      .bind(run)
      .bind(task.task)
      .bind(task.convention)
      .run();
  std::string head;
  std::optional<int64_t> head_id;
  for (size_t i = 0; i < count; ++i) {
    const ItemView item = item_at(i);
    const Prompt& prompt = *item.prompt;
    const std::string_view wanted = std::string_view(prompt.context).substr(0, prompt.shared_bytes);
    if (wanted != head || (!head_id && !wanted.empty())) {
      head = wanted;
      head_id = head.empty() ? std::nullopt : std::optional<int64_t>(db.text_id(head));
    }
    const int64_t content = db.content_id(item_json(item, head), head_id);
    for (size_t part = 0; part < item.requests.size(); ++part) {
      Query(db.main_, "INSERT INTO requests VALUES (?, ?, ?, ?, ?, ?, ?, ?)")
          .bind(run)
          .bind(task.task)
          .bind(task.convention)
          .bind(item.position)
          .bind(static_cast<int64_t>(part))
          .bind(prompt.item_id)
          .bind(content)
          .bind(item.request_hashes[part])
          .run();
    }
  }
  transaction.commit();
}

std::unordered_map<std::string, Response> ResultsDb::known_responses(const std::vector<std::string>& hashes) {
  std::unordered_map<std::string, Response> known;
  const auto hash_at = [&](size_t i) { return hashes[i]; };
  for (auto& [place, response] : known_among(hashes.size(), hash_at)) known.emplace(hashes[place], std::move(response));
  return known;
}

std::vector<std::pair<size_t, Response>> ResultsDb::known_among(size_t count,
                                                                const std::function<std::string(size_t)>& hash_at) {
  flush();
  auto& db = *implementation_;
  std::lock_guard lock(db.main_mutex_);
  std::vector<std::pair<size_t, Response>> known;
  if (!Query(db.main_, "SELECT 1 FROM responses LIMIT 1").step()) return known;
  for (size_t i = 0; i < count; ++i) {
    const std::string hash = hash_at(i);
    Query find(db.main_, "SELECT status, prompt_tokens, truncated, answer FROM responses WHERE request_hash = ?");
    if (find.bind(hash).step()) known.emplace_back(i, read_response(find, 0, db.path_));
  }
  return known;
}

std::vector<int> ResultsDb::text_lengths(const std::string& task, const std::string& convention, int64_t run) {
  auto& db = *implementation_;
  std::lock_guard lock(db.main_mutex_);
  Query answers(
      db.main_,
      "SELECT responses.answer FROM requests JOIN responses ON responses.request_hash = requests.request_hash "
      "WHERE requests.run_id = (SELECT MAX(tasks.run_id) FROM tasks JOIN runs ON runs.id = tasks.run_id "
      "WHERE tasks.task = ? AND tasks.convention = ? AND tasks.run_id <> ? AND runs.complete = 1) "
      "AND requests.task = ? AND requests.convention = ? LIMIT 200");
  answers.bind(task).bind(convention).bind(run).bind(task).bind(convention);
  std::vector<int> lengths;
  while (answers.step()) {
    const Response response = response_from_json(parse_json(answers.text(0), db.path_ + ": responses"));
    for (const GeneratedText& text : response.texts) lengths.push_back(text.tokens);
  }
  return lengths;
}

void ResultsDb::store_response(std::string request_hash, Response response, bool soon) {
  if (response.status == ResponseStatus::kFailed) return;
  auto& db = *implementation_;
  std::unique_lock lock(db.queue_mutex_);
  db.queue_changed_.wait(lock, [&] { return db.has_room() || db.write_error_; });
  if (db.write_error_) std::rethrow_exception(db.write_error_);
  for (const GeneratedText& text : response.texts) db.queue_bytes_ += text.text.size();
  db.queue_.emplace_back(std::move(request_hash), std::move(response));
  if (soon) db.flush_wanted_ = true;
  if (soon || db.is_queue_full()) db.queue_changed_.notify_all();
}

void ResultsDb::flush() {
  auto& db = *implementation_;
  if (!db.writer_.joinable()) return;
  std::unique_lock lock(db.queue_mutex_);
  while ((!db.queue_.empty() || db.writing_) && !db.write_error_) {
    db.flush_wanted_ = true;
    db.queue_changed_.notify_all();
    db.queue_changed_.wait_for(lock, std::chrono::milliseconds(20));
  }
  if (db.write_error_) std::rethrow_exception(db.write_error_);
}

void ResultsDb::put_scores(int64_t run, const std::string& task, const std::string& convention,
                           const std::vector<std::vector<Score>>& scores_by_position) {
  auto& db = *implementation_;
  std::lock_guard lock(db.main_mutex_);
  Transaction transaction(db.main_);
  for (const char* sql : {"DELETE FROM scores WHERE run_id = ? AND task = ? AND convention = ?",
                          "DELETE FROM clusters WHERE run_id = ? AND task = ? AND convention = ?"}) {
    Query(db.main_, sql).bind(run).bind(task).bind(convention).run();
  }
  for (size_t position = 0; position < scores_by_position.size(); ++position) {
    for (const Score& score : scores_by_position[position]) {
      Query(db.main_, "INSERT INTO scores VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)")
          .bind(run)
          .bind(task)
          .bind(convention)
          .bind(static_cast<int64_t>(position))
          .bind(score.metric)
          .bind(score.filter)
          .bind(score.item_id)
          .bind(to_string(score.outcome))
          .bind(score.value)
          .bind(score.weight)
          .bind(score.extracted)
          .bind(score.gold)
          .run();
    }
    const auto& scores = scores_by_position[position];
    if (scores.empty() || scores.front().cluster.empty()) continue;
    Query(db.main_, "INSERT INTO clusters VALUES (?, ?, ?, ?, ?)")
        .bind(run)
        .bind(task)
        .bind(convention)
        .bind(static_cast<int64_t>(position))
        .bind(scores.front().cluster)
        .run();
  }
  transaction.commit();
}

void ResultsDb::put_verdicts(int64_t run, const std::string& task, const std::string& convention,
                             const std::vector<std::vector<std::optional<ProgramOutcome>>>& outcomes) {
  auto& db = *implementation_;
  std::lock_guard lock(db.main_mutex_);
  Transaction transaction(db.main_);
  Query(db.main_, "DELETE FROM verdicts WHERE run_id = ? AND task = ? AND convention = ?")
      .bind(run)
      .bind(task)
      .bind(convention)
      .run();
  for (size_t position = 0; position < outcomes.size(); ++position) {
    for (size_t sample = 0; sample < outcomes[position].size(); ++sample) {
      const auto& outcome = outcomes[position][sample];
      if (!outcome) continue;
      Query(db.main_, "INSERT INTO verdicts VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)")
          .bind(run)
          .bind(task)
          .bind(convention)
          .bind(static_cast<int64_t>(position))
          .bind(static_cast<int64_t>(sample))
          .bind(to_string(outcome->verdict))
          .bind(replace_invalid_utf8(outcome->reason))
          .bind(outcome->output)
          .bind(outcome->truncated ? 1 : 0)
          .bind(outcome->cpu_s)
          .bind(outcome->wall_s)
          .bind(outcome->attempts)
          .bind(to_string(outcome->mode))
          .bind(outcome->sandbox)
          .run();
    }
  }
  transaction.commit();
}

std::map<int64_t, std::vector<SampleProgram>> ResultsDb::programs_of(int64_t run, const std::string& task,
                                                                     const std::string& convention) {
  auto& db = *implementation_;
  std::lock_guard lock(db.main_mutex_);
  Query query(db.main_,
              "SELECT position, sample, verdict, reason, output FROM verdicts WHERE run_id = ? AND task = ? AND "
              "convention = ? ORDER BY position, sample");
  query.bind(run).bind(task).bind(convention);
  std::map<int64_t, std::vector<SampleProgram>> programs;
  while (query.step()) {
    programs[query.integer(0)].push_back(
        {static_cast<int>(query.integer(1)), query.text(2), query.text(3), query.text(4)});
  }
  return programs;
}

void ResultsDb::put_aggregates(int64_t run, const std::string& task, const std::string& convention,
                               const std::vector<Aggregate>& aggregates) {
  auto& db = *implementation_;
  std::lock_guard lock(db.main_mutex_);
  Transaction transaction(db.main_);
  Query(db.main_, "DELETE FROM aggregates WHERE run_id = ? AND task = ? AND convention = ?")
      .bind(run)
      .bind(task)
      .bind(convention)
      .run();
  for (const Aggregate& aggregate : aggregates) {
    std::optional<double> value;
    if (aggregate.has_value) value = aggregate.estimate.value;
    Query(db.main_, "INSERT INTO aggregates VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)")
        .bind(run)
        .bind(task)
        .bind(convention)
        .bind(aggregate.metric)
        .bind(aggregate.filter)
        .bind(aggregate.higher_is_better ? 1 : 0)
        .bind(value)
        .bind(aggregate.has_value ? aggregate.estimate.stderr_ : std::nullopt)
        .bind(aggregate.items)
        .bind(aggregate.unparsed)
        .bind(aggregate.missing)
        .bind(aggregate.units)
        .run();
  }
  transaction.commit();
}

void ResultsDb::finish_run(int64_t run, bool complete, const Json& stats) {
  flush();
  auto& db = *implementation_;
  std::lock_guard lock(db.main_mutex_);
  Query(db.main_, "UPDATE runs SET complete = ?, finished = ?, stats = ? WHERE id = ?")
      .bind(complete ? 1 : 0)
      .bind(now_utc())
      .bind(dump_json(stats))
      .bind(run)
      .run();
}

void ResultsDb::put_watched(const WatchedCheckpoint& one) {
  auto& db = *implementation_;
  std::lock_guard lock(db.main_mutex_);
  Query(db.main_, "INSERT OR REPLACE INTO watched VALUES (?, ?, ?, ?, ?, ?)")
      .bind(one.fingerprint)
      .bind(one.path)
      .bind(one.state)
      .bind(one.reason)
      .bind(one.run)
      .bind(now_utc())
      .run();
}

std::vector<WatchedCheckpoint> ResultsDb::watched() {
  auto& db = *implementation_;
  std::lock_guard lock(db.main_mutex_);
  Query query(db.main_, "SELECT fingerprint, path, state, reason, run_id FROM watched ORDER BY at, path");
  std::vector<WatchedCheckpoint> all;
  while (query.step()) {
    all.push_back({query.text(0), query.text(1), query.text(2), query.text(3), query.optional_integer(4)});
  }
  return all;
}

std::vector<StoredRun> ResultsDb::find_runs(const std::string& selector) {
  auto& db = *implementation_;
  std::lock_guard lock(db.main_mutex_);
  Query query(db.main_,
              "SELECT runs.id, checkpoints.label, runs.settings, runs.complete FROM runs "
              "JOIN checkpoints ON checkpoints.id = runs.checkpoint_id "
              "WHERE ?1 = '' OR checkpoints.label = ?1 OR CAST(runs.id AS TEXT) = ?1 ORDER BY runs.id");
  query.bind(selector);
  std::vector<StoredRun> runs;
  while (query.step()) {
    runs.push_back({query.integer(0), query.text(1), parse_json(query.text(2), db.path_ + ": runs.settings"),
                    query.integer(3) != 0});
  }
  return runs;
}

std::vector<TaskRecord> ResultsDb::tasks_of(int64_t run) {
  auto& db = *implementation_;
  std::lock_guard lock(db.main_mutex_);
  Query query(db.main_,
              "SELECT position, task, convention, alias, is_group, depth, version, shots, headline, weighting, note, "
              "definition FROM tasks WHERE run_id = ? ORDER BY position");
  query.bind(run);
  std::vector<TaskRecord> tasks;
  while (query.step()) {
    TaskRecord task;
    task.position = static_cast<int>(query.integer(0));
    task.task = query.text(1), task.convention = query.text(2), task.alias = query.text(3);
    task.is_group = query.integer(4) != 0;
    task.depth = static_cast<int>(query.integer(5));
    task.version = static_cast<int>(query.integer(6));
    if (!query.is_null(7)) task.shots = static_cast<int>(query.integer(7));
    task.headline = query.text(8), task.weighting = query.text(9), task.note = query.text(10);
    task.definition = query.text(11);
    tasks.push_back(std::move(task));
  }
  return tasks;
}

std::vector<StoredItem> ResultsDb::items_of(int64_t run, const std::string& task, const std::string& convention,
                                            int64_t first, int64_t last) {
  auto& db = *implementation_;
  std::lock_guard lock(db.main_mutex_);
  Query query(db.main_,
              "SELECT requests.position, requests.part, requests.item, items.content, texts.text, responses.status, "
              "responses.prompt_tokens, responses.truncated, responses.answer, requests.request_hash FROM requests "
              "JOIN items ON items.id = requests.item_id LEFT JOIN texts ON texts.id = items.head_id "
              "LEFT JOIN responses ON responses.request_hash = requests.request_hash "
              "WHERE requests.run_id = ? AND requests.task = ? AND requests.convention = ? "
              "AND requests.position BETWEEN ? AND ? ORDER BY requests.position, requests.part");
  query.bind(run).bind(task).bind(convention).bind(first).bind(last);
  std::vector<StoredItem> items;
  while (query.step()) {
    if (items.empty() || items.back().position != query.integer(0)) {
      StoredItem item;
      item.position = query.integer(0);
      item.prompt.item_id = query.text(2);
      item_from_json(parse_json(query.text(3), db.path_ + ": items"), query.text(4), item.prompt, item.requests);
      item.responses.resize(item.requests.size());
      items.push_back(std::move(item));
    }
    items.back().request_hashes.push_back(query.text(9));
    if (query.is_null(5)) continue;
    items.back().responses.at(static_cast<size_t>(query.integer(1))) = read_response(query, 5, db.path_);
  }
  return items;
}

std::vector<std::vector<Score>> ResultsDb::scores_of(int64_t run, const std::string& task,
                                                     const std::string& convention) {
  auto& db = *implementation_;
  std::lock_guard lock(db.main_mutex_);
  Query query(db.main_,
              "SELECT position, metric, filter, item, outcome, value, weight, extracted, gold FROM scores "
              "WHERE run_id = ? AND task = ? AND convention = ? ORDER BY position, metric, filter");
  query.bind(run).bind(task).bind(convention);
  std::vector<std::vector<Score>> scores;
  while (query.step()) {
    size_t position = static_cast<size_t>(query.integer(0));
    if (scores.size() <= position) scores.resize(position + 1);
    Score score;
    score.metric = query.text(1), score.filter = query.text(2), score.item_id = query.text(3);
    score.outcome = outcome_from(query.text(4));
    score.value = query.real(5), score.weight = query.real(6);
    score.extracted = query.text(7), score.gold = query.text(8);
    scores[position].push_back(std::move(score));
  }
  return scores;
}

void ResultsDb::put_judge_questions(int64_t run, const std::string& task, const std::string& convention,
                                    int64_t against, const std::vector<JudgeQuestionRecord>& questions) {
  auto& db = *implementation_;
  std::lock_guard lock(db.main_mutex_);
  Transaction transaction(db.main_);
  Query(db.main_, "DELETE FROM judge_questions WHERE run_id = ? AND task = ? AND convention = ? AND against = ?")
      .bind(run)
      .bind(task)
      .bind(convention)
      .bind(against)
      .run();
  for (const JudgeQuestionRecord& question : questions) {
    Query(db.main_, "INSERT INTO judge_questions VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)")
        .bind(run)
        .bind(task)
        .bind(convention)
        .bind(question.position)
        .bind(question.part)
        .bind(question.presentation)
        .bind(against)
        .bind(question.request_hash)
        .bind(question.prompt_version)
        .bind(question.canonical ? 1 : 0)
        .run();
  }
  transaction.commit();
}

std::vector<JudgeQuestionRecord> ResultsDb::judge_questions_of(int64_t run, const std::string& task,
                                                               const std::string& convention) {
  auto& db = *implementation_;
  std::lock_guard lock(db.main_mutex_);
  Query query(db.main_,
              "SELECT position, part, presentation, against, request_hash, prompt_version, canonical FROM "
              "judge_questions WHERE run_id = ? AND task = ? AND convention = ? ORDER BY position, part, against, "
              "presentation");
  query.bind(run).bind(task).bind(convention);
  std::vector<JudgeQuestionRecord> questions;
  while (query.step()) {
    questions.push_back({query.integer(0), static_cast<int>(query.integer(1)), query.text(2), query.integer(3),
                         query.text(4), query.text(5), query.integer(6) != 0});
  }
  return questions;
}

void ResultsDb::store_judgement(const Judgement& judgement) {
  auto& db = *implementation_;
  std::lock_guard lock(db.main_mutex_);
  Transaction transaction(db.main_);
  Query(db.main_,
        "INSERT OR IGNORE INTO judgements (request_hash, sample, judge, judge_version, prompt_version, presentation, "
        "repetition, score, text, label, problem, answered_by, prompt_tokens, completion_tokens) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)")
      .bind(judgement.request_hash)
      .bind(judgement.sample)
      .bind(judgement.judge)
      .bind(judgement.judge_version)
      .bind(judgement.prompt_version)
      .bind(judgement.presentation)
      .bind(judgement.repetition)
      .bind(judgement.score)
      .bind(judgement.text)
      .bind(judgement.label)
      .bind(judgement.problem)
      .bind(judgement.answered_by)
      .bind(judgement.prompt_tokens)
      .bind(judgement.completion_tokens)
      .run();
  transaction.commit();
}

std::vector<Judgement> ResultsDb::judgements_of(const std::string& request_hash) {
  auto& db = *implementation_;
  std::lock_guard lock(db.main_mutex_);
  Query query(db.main_,
              "SELECT request_hash, sample, judge, judge_version, prompt_version, presentation, repetition, score, "
              "label, problem, text, answered_by, prompt_tokens, completion_tokens FROM judgements "
              "WHERE request_hash = ? ORDER BY judge, judge_version, prompt_version, presentation, repetition");
  query.bind(request_hash);
  std::vector<Judgement> judgements;
  while (query.step()) {
    judgements.push_back({query.text(0), static_cast<int>(query.integer(1)), query.text(2), query.text(3),
                          query.text(4), query.text(5), static_cast<int>(query.integer(6)), query.optional_real(7),
                          query.text(8), query.text(9), query.text(10), query.text(11),
                          static_cast<int>(query.integer(12)), static_cast<int>(query.integer(13))});
  }
  return judgements;
}

void ResultsDb::put_grades(const std::vector<Grade>& grades) {
  auto& db = *implementation_;
  std::lock_guard lock(db.main_mutex_);
  Transaction transaction(db.main_);
  for (const Grade& grade : grades) {
    Query(db.main_, "INSERT OR REPLACE INTO grades VALUES (?, ?, ?, ?, ?)")
        .bind(grade.request_hash)
        .bind(grade.task)
        .bind(grade.annotator)
        .bind(grade.label)
        .bind(grade.note)
        .run();
  }
  transaction.commit();
}

std::vector<Grade> ResultsDb::grades_of(const std::string& task) {
  auto& db = *implementation_;
  std::lock_guard lock(db.main_mutex_);
  Query query(db.main_,
              "SELECT request_hash, task, annotator, label, note FROM grades WHERE task = ? ORDER BY request_hash, "
              "annotator");
  query.bind(task);
  std::vector<Grade> grades;
  while (query.step()) {
    grades.push_back({query.text(0), query.text(1), query.text(2), query.text(3), query.text(4)});
  }
  return grades;
}

std::vector<ItemScore> ResultsDb::item_scores(int64_t run, const std::string& task, const std::string& convention,
                                              const std::string& metric, const std::string& filter) {
  auto& db = *implementation_;
  std::lock_guard lock(db.main_mutex_);
  std::vector<ItemScore> scores;
  {
    Query query(db.main_,
                "SELECT position, item, outcome, value, weight FROM scores WHERE run_id = ? AND task = ? "
                "AND convention = ? AND metric = ? AND filter = ? ORDER BY position");
    query.bind(run).bind(task).bind(convention).bind(metric).bind(filter);
    while (query.step()) {
      if (query.text(2) == to_string(Outcome::kMissing)) continue;
      scores.push_back({query.integer(0), query.text(1), query.real(3), query.real(4), ""});
    }
  }
  Query query(db.main_, "SELECT position, cluster FROM clusters WHERE run_id = ? AND task = ? AND convention = ?");
  query.bind(run).bind(task).bind(convention);
  size_t next = 0;
  while (query.step()) {
    while (next < scores.size() && scores[next].position < query.integer(0)) ++next;
    if (next < scores.size() && scores[next].position == query.integer(0)) scores[next].cluster = query.text(1);
  }
  return scores;
}

std::vector<ItemIdentity> ResultsDb::item_identities(int64_t run, const std::string& task,
                                                     const std::string& convention) {
  auto& db = *implementation_;
  std::lock_guard lock(db.main_mutex_);
  Query query(db.main_,
              "SELECT requests.position, requests.item, requests.item_id, responses.prompt_tokens, responses.answer "
              "FROM requests LEFT JOIN responses ON responses.request_hash = requests.request_hash "
              "WHERE requests.run_id = ? AND requests.task = ? AND requests.convention = ? AND requests.part = 0 "
              "ORDER BY requests.position");
  query.bind(run).bind(task).bind(convention);
  std::vector<ItemIdentity> items;
  while (query.step()) {
    items.push_back({query.integer(0), query.text(1), query.integer(2), query.integer(3), query.text(4)});
  }
  return items;
}

std::vector<ReportRow> ResultsDb::report_rows(const std::vector<int64_t>& runs, bool audit_forms) {
  auto& db = *implementation_;
  std::lock_guard lock(db.main_mutex_);
  std::vector<ReportRow> rows;
  for (int64_t run : runs) {
    Query query(
        db.main_,
        "SELECT checkpoints.label, checkpoints.step, tasks.task, tasks.convention, tasks.alias, tasks.is_group, "
        "tasks.depth, tasks.version, tasks.shots, tasks.headline, tasks.weighting, tasks.note, "
        "aggregates.metric, aggregates.filter, aggregates.higher_is_better, aggregates.value, "
        "aggregates.stderr, aggregates.n, aggregates.unparsed, aggregates.missing, runs.complete, aggregates.units "
        "FROM aggregates JOIN tasks ON tasks.run_id = aggregates.run_id AND tasks.task = aggregates.task "
        "AND tasks.convention = aggregates.convention JOIN runs ON runs.id = aggregates.run_id "
        "JOIN checkpoints ON checkpoints.id = runs.checkpoint_id WHERE aggregates.run_id = ? "
        "ORDER BY tasks.position, aggregates.metric, instr(aggregates.filter, ': ') > 0, aggregates.filter");
    query.bind(run);
    while (query.step()) {
      ReportRow row;
      row.run = run;
      row.checkpoint = query.text(0);
      row.step = query.optional_integer(1);
      row.task = query.text(2), row.convention = query.text(3), row.alias = query.text(4);
      if (!audit_forms && starts_with(row.convention, kAuditPrefix)) continue;
      row.is_group = query.integer(5) != 0;
      row.depth = static_cast<int>(query.integer(6));
      row.version = static_cast<int>(query.integer(7));
      if (!query.is_null(8)) row.shots = static_cast<int>(query.integer(8));
      row.headline = query.text(9), row.weighting = query.text(10), row.note = query.text(11);
      row.metric = query.text(12), row.filter = query.text(13);
      row.higher_is_better = query.integer(14) != 0;
      row.value = query.optional_real(15), row.stderr_ = query.optional_real(16);
      row.n = query.integer(17), row.unparsed = query.integer(18), row.missing = query.integer(19);
      row.complete = query.integer(20) != 0;
      row.units = query.integer(21);
      rows.push_back(std::move(row));
    }
  }
  return rows;
}

void ResultsDb::forget_failed(const std::string& path) {
  auto& db = *implementation_;
  std::lock_guard lock(db.main_mutex_);
  Query(db.main_, "DELETE FROM watched WHERE path = ? AND state = 'failed'").bind(path).run();
}

void ResultsDb::put_audit(const StoredAudit& audit) {
  auto& db = *implementation_;
  std::lock_guard lock(db.main_mutex_);
  Query(db.main_, "INSERT OR REPLACE INTO audits VALUES (?, ?, ?, ?)")
      .bind(audit.checkpoint)
      .bind(audit.against)
      .bind(dump_json(audit.scope))
      .bind(now_utc())
      .run();
}

std::vector<StoredAudit> ResultsDb::audits() {
  auto& db = *implementation_;
  std::lock_guard lock(db.main_mutex_);
  Query query(db.main_, "SELECT checkpoint, against, scope FROM audits ORDER BY at, checkpoint, against");
  std::vector<StoredAudit> audits;
  while (query.step()) {
    audits.push_back({query.text(0), query.text(1), parse_json(query.text(2), db.path_ + ": audits.scope")});
  }
  return audits;
}

std::vector<RunFacts> ResultsDb::run_facts(const std::vector<int64_t>& runs) {
  auto& db = *implementation_;
  std::lock_guard lock(db.main_mutex_);
  std::vector<RunFacts> out;
  for (int64_t run : runs) {
    Query query(db.main_,
                "SELECT identity, label, step, model, weights_hash, tokenizer_hash, numerics, software, started, "
                "coalesce(finished, ''), complete, settings, coalesce(stats, 'null') FROM runs "
                "JOIN checkpoints ON checkpoints.id = runs.checkpoint_id WHERE runs.id = ?");
    if (!query.bind(run).step()) continue;
    RunFacts facts;
    facts.id = run;
    facts.checkpoint = {query.text(0),
                        query.text(1),
                        query.text(3),
                        query.text(4),
                        query.text(5),
                        query.text(6),
                        query.optional_integer(2)};
    facts.software = query.text(7), facts.started = query.text(8), facts.finished = query.text(9);
    facts.complete = query.integer(10) != 0;
    facts.settings = parse_json(query.text(11), db.path_ + ": runs.settings");
    facts.stats = parse_json(query.text(12), db.path_ + ": runs.stats");
    if (!facts.complete) {
      Query count(db.main_,
                  "SELECT count(*), count(responses.request_hash) FROM requests "
                  "LEFT JOIN responses ON responses.request_hash = requests.request_hash WHERE requests.run_id = ?");
      count.bind(run).step();
      facts.requests = count.integer(0), facts.answered = count.integer(1);
    }
    out.push_back(std::move(facts));
  }
  return out;
}

int64_t ResultsDb::data_version() {
  auto& db = *implementation_;
  std::lock_guard lock(db.main_mutex_);
  return db.main_.pragma("PRAGMA data_version");
}

}  // namespace assay
