#include "reports/schema.h"

namespace assay {
namespace {

constexpr const char* kVersion1 = R"sql(
CREATE TABLE checkpoints (
  id INTEGER PRIMARY KEY,
  identity TEXT NOT NULL,          -- hash of weights, tokenizer and numerics
  label TEXT NOT NULL,
  step INTEGER,                    -- training step, where the label tells it
  model TEXT NOT NULL,             -- as given to --model
  weights_hash TEXT NOT NULL,
  tokenizer_hash TEXT NOT NULL,
  numerics TEXT NOT NULL,
  UNIQUE (identity, label));

CREATE TABLE runs (
  id INTEGER PRIMARY KEY,
  run_key TEXT NOT NULL UNIQUE,    -- hash of all that decides its results: the same command finds its run again
  checkpoint_id INTEGER NOT NULL REFERENCES checkpoints(id),
  settings TEXT NOT NULL,          -- JSON
  software TEXT NOT NULL,
  started TEXT NOT NULL,           -- UTC, ISO 8601
  finished TEXT,
  complete INTEGER NOT NULL DEFAULT 0,
  stats TEXT);                     -- JSON: tokens, seconds, memory of the last session

CREATE TABLE tasks (
  run_id INTEGER NOT NULL REFERENCES runs(id),
  position INTEGER NOT NULL,       -- order in reports
  task TEXT NOT NULL,              -- "mmlu_anatomy"
  convention TEXT NOT NULL,
  alias TEXT NOT NULL,
  is_group INTEGER NOT NULL,
  depth INTEGER NOT NULL,          -- 0 = top, 1 = inside a group, ...
  version INTEGER NOT NULL,
  shots INTEGER,
  headline TEXT NOT NULL,          -- metric shown first
  weighting TEXT NOT NULL,         -- groups: "items" (mean over items) or "members"; tasks: ""
  note TEXT NOT NULL,
  definition TEXT NOT NULL,        -- hash of the task's definition
  PRIMARY KEY (run_id, task, convention)) WITHOUT ROWID;

-- Long texts that many items begin with (description and shots), kept once.
CREATE TABLE texts (
  id INTEGER PRIMARY KEY,
  hash TEXT NOT NULL UNIQUE,
  text TEXT NOT NULL);

-- What a model is shown and what counts as right. Shared by all runs that show the same.
CREATE TABLE items (
  id INTEGER PRIMARY KEY,
  hash TEXT NOT NULL UNIQUE,
  head_id INTEGER REFERENCES texts(id),  -- first part of every prompt of the item
  content TEXT NOT NULL);                -- JSON: prompt after the head, choices, golds, fields

CREATE TABLE requests (
  run_id INTEGER NOT NULL REFERENCES runs(id),
  task TEXT NOT NULL,
  convention TEXT NOT NULL,
  position INTEGER NOT NULL,       -- of the item in the task
  part INTEGER NOT NULL,           -- of the request in the item
  item TEXT NOT NULL,              -- "<split>/<file stem>/<row>"
  item_id INTEGER NOT NULL REFERENCES items(id),
  request_hash TEXT NOT NULL,
  PRIMARY KEY (run_id, task, convention, position, part)) WITHOUT ROWID;

CREATE TABLE responses (
  request_hash TEXT PRIMARY KEY,
  status TEXT NOT NULL,            -- answered, too_long, failed
  prompt_tokens INTEGER NOT NULL,
  truncated INTEGER NOT NULL,
  answer TEXT NOT NULL) WITHOUT ROWID;  -- JSON, raw

CREATE TABLE scores (
  run_id INTEGER NOT NULL REFERENCES runs(id),
  task TEXT NOT NULL,
  convention TEXT NOT NULL,
  position INTEGER NOT NULL,
  metric TEXT NOT NULL,
  filter TEXT NOT NULL,
  item TEXT NOT NULL,
  outcome TEXT NOT NULL,           -- scored, unparsed, timed_out, refused, missing
  value REAL NOT NULL,
  weight REAL NOT NULL,
  extracted TEXT NOT NULL,
  gold TEXT NOT NULL,
  PRIMARY KEY (run_id, task, convention, position, metric, filter)) WITHOUT ROWID;

CREATE TABLE aggregates (
  run_id INTEGER NOT NULL REFERENCES runs(id),
  task TEXT NOT NULL,
  convention TEXT NOT NULL,
  metric TEXT NOT NULL,
  filter TEXT NOT NULL,
  higher_is_better INTEGER NOT NULL,
  value REAL,                      -- NULL: no item was scored
  stderr REAL,
  n INTEGER NOT NULL,
  unparsed INTEGER NOT NULL,
  missing INTEGER NOT NULL,
  PRIMARY KEY (run_id, task, convention, metric, filter)) WITHOUT ROWID;
)sql";

constexpr const char* kVersion2 = R"sql(
CREATE TABLE judgements (
  request_hash TEXT NOT NULL REFERENCES responses(request_hash),
  sample INTEGER NOT NULL,
  judge TEXT NOT NULL,
  judge_version TEXT NOT NULL,
  prompt_version TEXT NOT NULL,
  presentation TEXT NOT NULL,      -- order in which answers were shown
  repetition INTEGER NOT NULL,
  score REAL,                      -- NULL: no score was found in the text
  text TEXT NOT NULL,
  PRIMARY KEY (request_hash, sample, judge, judge_version, prompt_version, presentation, repetition)) WITHOUT ROWID;

CREATE INDEX requests_by_hash ON requests (request_hash);

CREATE VIEW results AS
  SELECT runs.id AS run, checkpoints.label AS checkpoint, checkpoints.step AS step, tasks.task AS task,
         tasks.convention AS convention, tasks.is_group AS is_group, tasks.shots AS shots, aggregates.metric AS metric,
         aggregates.filter AS filter, aggregates.value AS value, aggregates.stderr AS stderr, aggregates.n AS n,
         aggregates.unparsed AS unparsed, aggregates.missing AS missing
  FROM aggregates
  JOIN tasks ON tasks.run_id = aggregates.run_id AND tasks.task = aggregates.task
            AND tasks.convention = aggregates.convention
  JOIN runs ON runs.id = aggregates.run_id
  JOIN checkpoints ON checkpoints.id = runs.checkpoint_id
  ORDER BY runs.id, tasks.position, aggregates.metric, aggregates.filter;

CREATE VIEW wrong_items AS
  SELECT scores.run_id AS run, scores.task AS task, scores.convention AS convention, scores.item AS item,
         scores.metric AS metric, scores.filter AS filter, scores.extracted AS extracted, scores.gold AS gold,
         responses.answer AS answer
  FROM scores
  JOIN requests ON requests.run_id = scores.run_id AND requests.task = scores.task
               AND requests.convention = scores.convention AND requests.position = scores.position
               AND requests.part = 0
  LEFT JOIN responses ON responses.request_hash = requests.request_hash
  WHERE scores.value = 0;
)sql";

constexpr const char* kVersion3 = R"sql(
CREATE TABLE verdicts (
  run_id INTEGER NOT NULL REFERENCES runs(id),
  task TEXT NOT NULL,
  convention TEXT NOT NULL,
  position INTEGER NOT NULL,       -- of the item in the task
  sample INTEGER NOT NULL,
  verdict TEXT NOT NULL,           -- pass, wrong_answer, runtime_error, timeout, memory_limit, output_limit,
                                   -- sandbox_error, not_installed
  reason TEXT NOT NULL,
  output TEXT NOT NULL,            -- stdout and stderr: head and tail
  truncated INTEGER NOT NULL,
  cpu_s REAL NOT NULL,
  wall_s REAL NOT NULL,
  attempts INTEGER NOT NULL,       -- 2: the first ended in sandbox_error
  mode TEXT NOT NULL,              -- split, inline
  sandbox TEXT NOT NULL,           -- namespaces, landlock, none
  PRIMARY KEY (run_id, task, convention, position, sample)) WITHOUT ROWID;
)sql";

// A judge's word on a response is stored once, whatever asked for it; which words count for a run is in
// judge_questions.
constexpr const char* kVersion4 = R"sql(
ALTER TABLE judgements ADD COLUMN label TEXT NOT NULL DEFAULT '';            -- "unsafe", "6", "A", ...
ALTER TABLE judgements ADD COLUMN problem TEXT NOT NULL DEFAULT '';          -- why there is no score
ALTER TABLE judgements ADD COLUMN answered_by TEXT NOT NULL DEFAULT '';      -- the model's name as its server gives it
ALTER TABLE judgements ADD COLUMN prompt_tokens INTEGER NOT NULL DEFAULT 0;
ALTER TABLE judgements ADD COLUMN completion_tokens INTEGER NOT NULL DEFAULT 0;

-- What is asked of judges about a run: a row a judged answer and order. Replaced by each `assay judge` of the run.
CREATE TABLE judge_questions (
  run_id INTEGER NOT NULL REFERENCES runs(id),
  task TEXT NOT NULL,
  convention TEXT NOT NULL,
  position INTEGER NOT NULL,       -- of the item in the task
  part INTEGER NOT NULL,           -- of the answer in the item (turn)
  presentation TEXT NOT NULL,      -- "single"; pairs: "a-first", "b-first"
  against INTEGER NOT NULL,        -- pairs: run whose answer is B; else 0
  request_hash TEXT NOT NULL,      -- of the judged answer (pairs: of A's)
  prompt_version TEXT NOT NULL,    -- prompt's name and hash of the rendered question
  canonical INTEGER NOT NULL,      -- 1: the benchmark's own wording
  PRIMARY KEY (run_id, task, convention, position, part, presentation, against)) WITHOUT ROWID;

-- People's labels of answers, from `assay grade import`.
CREATE TABLE grades (
  request_hash TEXT NOT NULL,
  task TEXT NOT NULL,
  annotator TEXT NOT NULL,
  label TEXT NOT NULL,
  note TEXT NOT NULL,
  PRIMARY KEY (request_hash, task, annotator)) WITHOUT ROWID;
)sql";

// Items that are not independent, and views that make common questions short.
constexpr const char* kVersion5 = R"sql(
CREATE TABLE clusters (
  run_id INTEGER NOT NULL REFERENCES runs(id),
  task TEXT NOT NULL,
  convention TEXT NOT NULL,
  position INTEGER NOT NULL,       -- of the item in the task
  cluster TEXT NOT NULL,           -- value of the task's `cluster` column, or its hash
  PRIMARY KEY (run_id, task, convention, position)) WITHOUT ROWID;

-- One row a task: its headline number, of every run.
CREATE VIEW headlines AS
  SELECT runs.id AS run, checkpoints.label AS checkpoint, checkpoints.step AS step, tasks.task AS task,
         tasks.convention AS convention, tasks.depth AS depth, tasks.shots AS shots, aggregates.metric AS metric,
         aggregates.filter AS filter, aggregates.value AS value, aggregates.stderr AS stderr, aggregates.n AS n,
         aggregates.unparsed AS unparsed, aggregates.missing AS missing, runs.complete AS complete
  FROM tasks
  JOIN aggregates ON aggregates.run_id = tasks.run_id AND aggregates.task = tasks.task
                 AND aggregates.convention = tasks.convention AND aggregates.metric = tasks.headline
  JOIN runs ON runs.id = tasks.run_id
  JOIN checkpoints ON checkpoints.id = runs.checkpoint_id;

-- One row an item's score, with names.
CREATE VIEW item_scores AS
  SELECT scores.run_id AS run, checkpoints.label AS checkpoint, checkpoints.step AS step, scores.task AS task,
         scores.convention AS convention, scores.position AS position, scores.item AS item, scores.metric AS metric,
         scores.filter AS filter, scores.outcome AS outcome, scores.value AS value, scores.weight AS weight,
         scores.extracted AS extracted, scores.gold AS gold
  FROM scores
  JOIN runs ON runs.id = scores.run_id
  JOIN checkpoints ON checkpoints.id = runs.checkpoint_id;

-- One row an item that two runs share, under each metric: give run_a and run_b.
CREATE VIEW pairs AS
  SELECT a.run_id AS run_a, b.run_id AS run_b, a.task AS task, a.convention AS convention, a.item AS item,
         a.metric AS metric, a.filter AS filter, a.value AS value_a, b.value AS value_b, a.extracted AS extracted_a,
         b.extracted AS extracted_b, a.gold AS gold
  FROM scores AS a
  JOIN scores AS b ON b.task = a.task AND b.convention = a.convention AND b.position = a.position
                  AND b.metric = a.metric AND b.filter = a.filter AND b.item = a.item
  WHERE a.outcome <> 'missing' AND b.outcome <> 'missing';

-- One row an item and request: the prompt's parts and the raw answer.
CREATE VIEW answers AS
  SELECT requests.run_id AS run, requests.task AS task, requests.convention AS convention,
         requests.position AS position, requests.part AS part, requests.item AS item, texts.text AS head,
         items.content AS content, responses.status AS status, responses.prompt_tokens AS prompt_tokens,
         responses.answer AS answer
  FROM requests
  JOIN items ON items.id = requests.item_id
  LEFT JOIN texts ON texts.id = items.head_id
  LEFT JOIN responses ON responses.request_hash = requests.request_hash;
)sql";

constexpr const char* kVersion6 = R"sql(
-- What became of the checkpoints that `assay watch` met.
CREATE TABLE watched (
  fingerprint TEXT PRIMARY KEY,    -- of the checkpoint's files
  path TEXT NOT NULL,              -- where it lay then
  state TEXT NOT NULL,             -- scored, incomplete, failed
  reason TEXT NOT NULL,            -- why it failed
  run_id INTEGER REFERENCES runs(id),
  at TEXT NOT NULL) WITHOUT ROWID; -- UTC, ISO 8601
)sql";

// Nothing looks requests up by their hash, and a row of the index cost as much as the request's own.
constexpr const char* kVersion7 = R"sql(
DROP INDEX requests_by_hash;
)sql";

// Views show benchmarks as they are meant to be asked, not the audit's forms of them. A number knows how many of its
// items are independent; those written before say 0.
constexpr const char* kVersion8 = R"sql(
ALTER TABLE aggregates ADD COLUMN units INTEGER NOT NULL DEFAULT 0;  -- clusters, or items where there are none

DROP VIEW results;
CREATE VIEW results AS
  SELECT runs.id AS run, checkpoints.label AS checkpoint, checkpoints.step AS step, tasks.task AS task,
         tasks.convention AS convention, tasks.is_group AS is_group, tasks.shots AS shots, aggregates.metric AS metric,
         aggregates.filter AS filter, aggregates.value AS value, aggregates.stderr AS stderr, aggregates.n AS n,
         aggregates.unparsed AS unparsed, aggregates.missing AS missing
  FROM aggregates
  JOIN tasks ON tasks.run_id = aggregates.run_id AND tasks.task = aggregates.task
            AND tasks.convention = aggregates.convention
  JOIN runs ON runs.id = aggregates.run_id
  JOIN checkpoints ON checkpoints.id = runs.checkpoint_id
  WHERE tasks.convention NOT LIKE 'audit-%'
  ORDER BY runs.id, tasks.position, aggregates.metric, aggregates.filter;

DROP VIEW headlines;
CREATE VIEW headlines AS
  SELECT runs.id AS run, checkpoints.label AS checkpoint, checkpoints.step AS step, tasks.task AS task,
         tasks.convention AS convention, tasks.depth AS depth, tasks.shots AS shots, aggregates.metric AS metric,
         aggregates.filter AS filter, aggregates.value AS value, aggregates.stderr AS stderr, aggregates.n AS n,
         aggregates.unparsed AS unparsed, aggregates.missing AS missing, runs.complete AS complete
  FROM tasks
  JOIN aggregates ON aggregates.run_id = tasks.run_id AND aggregates.task = tasks.task
                 AND aggregates.convention = tasks.convention AND aggregates.metric = tasks.headline
  JOIN runs ON runs.id = tasks.run_id
  JOIN checkpoints ON checkpoints.id = runs.checkpoint_id
  WHERE tasks.convention NOT LIKE 'audit-%';

DROP VIEW item_scores;
CREATE VIEW item_scores AS
  SELECT scores.run_id AS run, checkpoints.label AS checkpoint, checkpoints.step AS step, scores.task AS task,
         scores.convention AS convention, scores.position AS position, scores.item AS item, scores.metric AS metric,
         scores.filter AS filter, scores.outcome AS outcome, scores.value AS value, scores.weight AS weight,
         scores.extracted AS extracted, scores.gold AS gold
  FROM scores
  JOIN runs ON runs.id = scores.run_id
  JOIN checkpoints ON checkpoints.id = runs.checkpoint_id
  WHERE scores.convention NOT LIKE 'audit-%';

DROP VIEW pairs;
CREATE VIEW pairs AS
  SELECT a.run_id AS run_a, b.run_id AS run_b, a.task AS task, a.convention AS convention, a.item AS item,
         a.metric AS metric, a.filter AS filter, a.value AS value_a, b.value AS value_b, a.extracted AS extracted_a,
         b.extracted AS extracted_b, a.gold AS gold
  FROM scores AS a
  JOIN scores AS b ON b.task = a.task AND b.convention = a.convention AND b.position = a.position
                  AND b.metric = a.metric AND b.filter = a.filter AND b.item = a.item
  WHERE a.outcome <> 'missing' AND b.outcome <> 'missing' AND a.convention NOT LIKE 'audit-%';
)sql";

constexpr const char* kVersion9 = R"sql(
-- The audits that were asked for: which checkpoint, against which, and of what (docs/formats/audit.md).
CREATE TABLE audits (
  checkpoint TEXT NOT NULL,        -- label
  against TEXT NOT NULL,           -- label; '' = none
  scope TEXT NOT NULL,             -- JSON: tasks, limit, seed, num_fewshot
  at TEXT NOT NULL,                -- UTC, ISO 8601
  PRIMARY KEY (checkpoint, against)) WITHOUT ROWID;
)sql";

constexpr const char* kMigrations[] = {kVersion1, kVersion2, kVersion3, kVersion4, kVersion5,
                                       kVersion6, kVersion7, kVersion8, kVersion9};

}  // namespace

std::span<const char* const> migrations() {
  return kMigrations;
}

}  // namespace assay
