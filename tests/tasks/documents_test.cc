#include "tasks/documents.h"

#include <catch2/catch.hpp>
#include <filesystem>
#include <map>

#include "core/text.h"
#include "tasks/data_file.h"
#include "tasks/data_folder.h"
#include "tasks/task_file.h"
#include "tests/support.h"

namespace assay {

using testing::error_of;
using testing::TemporaryFolder;

// The rows that `bytes` give in a format, as one JSON text.
std::string rows_of(const std::string& format, const std::string& bytes, DataSpec spec = {}) {
  spec.format = format;
  Json rows = Json::array();
  for (const DataRow& row : parse_data(bytes, "f", spec)) rows.push_back(row.fields);
  return rows.dump();
}

Task task_of(const std::string& path, const std::string& format = "") {
  Task task;
  task.name = "t";
  task.file = "t.yaml";
  task.data.format = format;
  task.data.files["test"] = {path};
  task.test_split = "test";
  return task;
}

TEST_CASE("each format gives the same rows") {
  const std::string expected = R"([{"a":"1","b":"x"},{"a":"2","b":"y"}])";
  CHECK(rows_of("json", R"([{"a":"1","b":"x"},{"a":"2","b":"y"}])") == expected);
  CHECK(rows_of("json", "{\"a\":\"1\",\"b\":\"x\"}\n{\"a\":\"2\",\"b\":\"y\"}") == expected);
  CHECK(rows_of("jsonl", "{\"a\":\"1\",\"b\":\"x\"}\r\n\r\n{\"a\":\"2\",\"b\":\"y\"}\r\n") == expected);
  CHECK(rows_of("csv",
                "\xEF\xBB\xBF"
                "a,b\r\n1,x\r\n2,y") == expected);
  CHECK(rows_of("tsv", "a\tb\n1\tx\n2\ty\n") == expected);
  DataSpec headerless;
  headerless.columns = {"a", "b"};
  CHECK(rows_of("csv", "1,x\n2,y\n", headerless) == expected);
  DataSpec inside;
  inside.rows_at = "/examples";
  CHECK(rows_of("json", R"({"canary":"c","examples":[{"a":"1","b":"x"},{"a":"2","b":"y"}]})", inside) == expected);
}

TEST_CASE("rows that are no objects get a name") {
  CHECK(rows_of("jsonl", "[1,2]\n") == R"([{"row":[1,2]}])");
}

TEST_CASE("a text file is one document") {
  CHECK(rows_of("text", "a\nb\n") == R"([{"text":"a\nb\n"}])");
}

TEST_CASE("the six-line form of HellaSwag becomes named fields, its JSON Lines stay as they are") {
  CHECK(rows_of("hellaswag_text", "Roof: A man: he\n3\ne0\ne1\ne2\ne3\n") ==
        R"([{"activity_label":"Roof","ctx":"A man: he","endings":["e0","e1","e2","e3"],"label":3}])");
  CHECK(rows_of("hellaswag_text", "{\"ind\": 4}\n") == R"([{"ind":4}])");
  CHECK(error_of([] { rows_of("hellaswag_text", "Roof: A man\n3\ne0\n"); }) == "f: ends within an item of six lines");
}

TEST_CASE("C3's passages become one row a question") {
  CHECK(rows_of("c3",
                "[[[\"a\",\"b\"],[{\"question\":\"q\",\"choice\":[\"x\",\"y\"],\"answer\":\"y\"},{\"question\":\"r\"}],"
                "\"7\"]]") == R"([{"question":"q","choice":["x","y"],"answer":"y","passage":"a\nb","passage_id":"7"},)"
                              R"({"question":"r","passage":"a\nb","passage_id":"7"}])");
  CHECK(starts_with(error_of([] { rows_of("c3", "[[\"a\",[]]]"); }), "f: row 0: a passage is a list of"));
  CHECK(starts_with(error_of([] { rows_of("c3", "[{}]"); }), "f: row 0: a passage is a list of"));
  CHECK(starts_with(error_of([] { rows_of("c3", "[[[1],[{}],\"7\"]]"); }), "f: row 0: a line of the passage"));
}

TEST_CASE("BBH's prompt files become examples that give the file again, its task files their rows") {
  CHECK(rows_of("bbh", "warning\n-----\nDo it.\n\nMore.\n\nQ: a\nb\nA: so.\nc\n\nQ: d\nA: e.\n") ==
        R"([{"description":"Do it.\n\nMore.\n\n","input":"a\nb","target":"so.\nc"},)"
        R"({"description":"","input":"d","target":"e."}])");
  CHECK(rows_of("bbh", R"({"canary":"c","examples":[{"input":"a","target":"b"}]})") ==
        R"([{"input":"a","target":"b"}])");
  CHECK(starts_with(error_of([] { rows_of("bbh", "Do it.\n\nQ: a\nA: b"); }), "f: the line ----- "));
  CHECK(starts_with(error_of([] { rows_of("bbh", "-----\nDo it.\n\nQ: a\n"); }), "f: example 1: it has no line"));
}

TEST_CASE("DROP's passages and AI2's requests become one row a question") {
  const std::string original = R"({"nfl_1": {"passage": "p", "qa_pairs": [
    {"question": "q1", "answer": {"number": "3", "date": {"day": "", "month": "", "year": ""}, "spans": []},
     "validated_answers": [{"number": "", "date": {}, "spans": ["three", "3"]}, {"number": "3", "spans": []}]},
    {"question": "q2", "answer": {"number": "", "date": {"day": "", "month": "May", "year": "1990"}, "spans": []}},
    {"question": "q3", "answer": {"number": "", "date": {}, "spans": ["a", "b"]}}]},
    "nfl_2": {"passage": "o", "qa_pairs": [{"question": "q4", "answer": {"number": "", "spans": ["c"]}}]}})";
  CHECK(
      rows_of("drop", original) ==
      R"([{"passage":"p","passage_id":"nfl_1","question":"q1","answers":["3","three\n3"],"type":"number","shown":"3"},)"
      R"({"passage":"p","passage_id":"nfl_1","question":"q2","answers":["May 1990"],"type":"date","shown":"May 1990"},)"
      R"({"passage":"p","passage_id":"nfl_1","question":"q3","answers":["a\nb"],"type":"spans","shown":"a, b"},)"
      R"({"passage":"o","passage_id":"nfl_2","question":"q4","answers":["c"],"type":"span","shown":"c"}])");
  auto request = [](const char* passage, const char* answers) {
    return std::string("{\"doc\":{\"passage\":\"") + passage + "\",\"question\":\"q\",\"answers\":" + answers + "}}\n";
  };
  DataSpec spec;
  spec.format = "drop";
  const auto rows = parse_data(request("p", R"([["1,000"],["1"]])") + request("o", R"([["5 May 1990"]])") +
                                   request("p", R"([["May"]])") + request("q", R"([["a","b"]])"),
                               "f", spec);
  const char* types[] = {"number", "date", "span", "spans"};
  const char* ids[] = {"passage 0", "passage 1", "passage 0", "passage 2"};
  REQUIRE(rows.size() == 4);
  for (size_t i = 0; i < 4; ++i) {
    CHECK(rows[i].fields["type"] == types[i]);
    CHECK(rows[i].fields["passage_id"] == ids[i]);
  }
  CHECK(rows[0].fields["answers"] == Json{"1,000", "1"});
  struct Row {
    const char *bytes, *expected;
  };
  for (const Row& row :
       {Row{"[]", "f: the file is no map of passages"},
        Row{R"({"a": {"passage": "p"}})", "f: passage a: the passage has no list 'qa_pairs'"},
        Row{R"({"a": {"passage": "p", "qa_pairs": [1]}})", "f: passage a: a question has no 'answer'"},
        Row{R"({"a": {"passage": "p", "qa_pairs": [{"answer": 1}]}})",
            "f: passage a: an answer is a map of number, date and spans"},
        Row{R"({"a": {"passage": "p", "qa_pairs": [{"answer": {"date": {"day": 1}}}]}})",
            "f: passage a: 'day' is no text"},
        Row{R"({"a": {"qa_pairs": [{"question": "q", "answer": {"number": "1"}}]}})",
            "f: passage a: 'passage' is no text"},
        Row{"{\"doc\": {}}\n", "f:1: the row has no 'doc' with a list 'answers'"},
        Row{R"({"doc": {"passage": "p", "question": "q", "answers": [[]]}})", "f:1: an answer has no span"},
        Row{R"({"doc": {"passage": "p", "question": "q", "answers": [["a", 1]]}})",
            "f:1: an answer is no list of texts"}}) {
    CAPTURE(row.bytes);
    CHECK(error_of([&] { rows_of("drop", row.bytes); }) == row.expected);
  }
}

TEST_CASE("typed columns turn into numbers, nulls and booleans") {
  DataSpec typed;
  typed.typed_columns = true;
  CHECK(rows_of("csv", "i,f,b,s,m\n1,0.5,True,x,3\n-2,2,False,,\n", typed) ==
        R"([{"i":1,"f":0.5,"b":true,"s":"x","m":3.0},{"i":-2,"f":2.0,"b":false,"s":null,"m":null}])");
  // As pandas.read_csv reads them.
  CHECK(rows_of("csv", "b,n,s,o\nTRUE,3,null,True\nfalse,NA,x,\n", typed) ==
        R"([{"b":true,"n":3.0,"s":null,"o":"True"},{"b":false,"n":null,"s":"x","o":null}])");
}

TEST_CASE("rows of a JSON file have every column where columns are typed") {
  DataSpec typed;
  typed.typed_columns = true;
  CHECK(rows_of("jsonl", "{\"a\":1}\n{\"b\":\"x\"}\n", typed) == R"([{"a":1,"b":null},{"b":"x","a":null}])");
  CHECK(rows_of("json", R"([{"a":1},{"b":"x"}])", typed) == R"([{"a":1,"b":null},{"b":"x","a":null}])");
  CHECK(rows_of("json", R"([{"a":1},{"b":"x"}])") == R"([{"a":1},{"b":"x"}])");
}

TEST_CASE("what is wrong with a data file is said with its line") {
  CHECK(starts_with(error_of([] { rows_of("jsonl", "{\"a\":1}\n\n{\"a\":\n"); }), "f:3: malformed JSON"));
  CHECK(error_of([] { rows_of("csv", "a,b\n1,2\n1,2,3\n"); }) == "f:3: 3 fields where there are 2 columns");
  CHECK(starts_with(error_of([] { rows_of("csv", "a,b\n\"1,2\n"); }), "f:2: a quoted field is never closed"));
  CHECK(error_of([] { rows_of("text", "ab\nc\xFF"); }) == "f:2: byte 4 is not UTF-8 (convert the file to UTF-8)");
  CHECK(starts_with(error_of([] { rows_of("jsonl", std::string(1000, '[')); }), "f:1: nested too deeply"));
  CHECK(starts_with(error_of([] { parse_data("", "f.bin", {}); }), "f.bin: the format of this file is unknown"));
  DataSpec spec;
  spec.rows_at = "/no/where";
  CHECK(starts_with(error_of([&] { rows_of("json", "{}", spec); }), "f: there is nothing at /no/where"));
}

TEST_CASE("documents have ids of split, file stem and row") {
  TemporaryFolder folder;
  folder.write("d/one.jsonl", "{\"q\":1}\n{\"q\":2}\n");
  folder.write("d/two.jsonl", "{\"q\":3}");
  const auto documents = load_documents(task_of("d/*.jsonl"), "test", {folder.path(), {}});
  REQUIRE(documents.size() == 3);
  CHECK(documents[1].id == "test/one/1");
  CHECK(documents[2].id == "test/two/0");
  CHECK(documents[2].fields.dump() == R"({"q":3})");
}

TEST_CASE("the first alternative that exists is read, the task's folder before the data folder") {
  TemporaryFolder data, own;
  data.write("b.jsonl", "{\"from\":\"data\"}");
  own.write("c.jsonl", "{\"from\":\"own\"}");
  Task task = task_of("a.jsonl | b.jsonl");
  CHECK(load_documents(task, "test", {data.path(), {}})[0].fields["from"] == "data");
  task = task_of("c.jsonl");
  task.data.base = own.path();
  CHECK(load_documents(task, "test", {data.path(), {}})[0].fields["from"] == "own");
  task = task_of("b.jsonl");
  task.data.base = own.path();
  CHECK(load_documents(task, "test", {data.path(), {}})[0].fields["from"] == "data");
}

// A task of lm-evaluation-harness's, from its file in `folder`.
Task foreign_task(TemporaryFolder& folder, const std::string& data) {
  const std::string fields = "task: t\ntest_split: test\ndoc_to_text: q\ndoc_to_target: a\n";
  return load_task_file(folder.write("t.yaml", fields + data)).tasks.at(0);
}

TEST_CASE("files of a data loader are looked for in the current folder last") {
  TemporaryFolder folder, current;
  const std::filesystem::path before = std::filesystem::current_path();
  current.write("rows/t.jsonl", "{\"q\":1,\"a\":2}\n");
  const Task task = foreign_task(folder, "dataset_path: json\ndataset_kwargs: {data_files: {test: rows/t.jsonl}}\n");
  const DataRoot root{"/nowhere", {}};
  CHECK(error_of([&] { load_documents(task, "test", root); }).find("it is not in the current folder either") !=
        std::string::npos);
  std::filesystem::current_path(current.path());
  CHECK(load_documents(task, "test", root).size() == 1);
  folder.write("rows/t.jsonl", "{\"q\":1,\"a\":2}\n{\"q\":1,\"a\":2}\n");
  CHECK(load_documents(task, "test", root).size() == 2);
  std::filesystem::current_path(before);
}

TEST_CASE("a local folder is a data set whose splits are in the names of its files") {
  TemporaryFolder folder;
  folder.write("set/train-00000-of-00001.jsonl", "{\"q\":1,\"a\":2}\n");
  folder.write("set/test.jsonl", "{\"q\":3,\"a\":4}\n{\"q\":5,\"a\":6}\n");
  folder.write("set/README.md", "text");
  const DataRoot root{"/nowhere", {}};
  const Task task = foreign_task(folder, "dataset_path: set\ntraining_split: train\ndataset_kwargs: {cache_dir: c}\n");
  CHECK(load_documents(task, "test", root).size() == 2);
  CHECK(load_documents(task, "train", root).at(0).id == "train/train-00000-of-00001/0");
  const Task inside =
      foreign_task(folder, "dataset_path: json\ndataset_kwargs: {data_dir: set, streaming: false, revision: x}\n");
  CHECK(load_documents(inside, "test", root).size() == 2);
  const Task named = foreign_task(folder, "dataset_path: set\ndataset_kwargs: {data_files: {test: train*.jsonl}}\n");
  CHECK(load_documents(named, "test", root).size() == 1);
  CHECK(error_of([&] {
          foreign_task(folder, "dataset_path: csv\ndataset_kwargs: {data_dir: set}\n");
        }).find("set is no folder with csv files") != std::string::npos);
}

TEST_CASE("folders that name a split go before files that do, and names without one are for training") {
  TemporaryFolder folder;
  folder.write("a/test/one.csv", "q\n1\n");
  folder.write("a/dev/test.csv", "q\n1\n");
  folder.write("b/latest.csv", "q\n1\n");
  using Splits = std::map<std::string, std::vector<std::string>>;
  CHECK(splits_of_folder(folder.file("a"), "") == Splits{{"test", {"test/one.csv"}}, {"validation", {"dev/test.csv"}}});
  CHECK(splits_of_folder(folder.file("b"), "csv") == Splits{{"train", {"latest.csv"}}});
  CHECK(splits_of_folder(folder.file("b"), "json").empty());
  CHECK(splits_of_folder(folder.file("none"), "").empty());
}

TEST_CASE("a data loader's text file gives a row a line, blank ones too") {
  TemporaryFolder folder;
  folder.write("t.txt", "a\r\n\nb\n");
  const DataRoot root{"/nowhere", {}};
  const std::string data = "dataset_path: text\ndataset_kwargs: {data_files: {test: t.txt}";
  const auto lines = load_documents(foreign_task(folder, data + "}\n"), "test", root);
  REQUIRE(lines.size() == 3);
  CHECK(lines[0].fields["text"] == "a");
  CHECK(lines[1].fields["text"] == "");
  CHECK(load_documents(foreign_task(folder, data + ", sample_by: document}\n"), "test", root).size() == 1);
}

TEST_CASE("an empty file of a data loader is an empty split") {
  TemporaryFolder folder;
  folder.write("t.json", "\n");
  const Task task = foreign_task(folder, "dataset_path: json\ndataset_kwargs: {data_files: {test: t.json}}\n");
  CHECK(error_of([&] {
          load_documents(task, "test", DataRoot{"/nowhere", {}});
        }) == folder.file("t.json") + ": the split \"test\" of t@lm-eval is empty");
}

TEST_CASE("labels of a file beside become a column") {
  TemporaryFolder folder;
  folder.write("q.jsonl", "{\"q\":1}\n{\"q\":2}\n");
  folder.write("q.lst", "0\r\n1\n");
  Task task = task_of("q.jsonl");
  const DataRoot root{folder.path(), {}};
  task.data.labels["test"] = "q.lst";
  CHECK(load_documents(task, "test", root).at(1).fields.dump() == R"({"q":2,"label":"1"})");
  folder.write("q.lst", "0\n");
  CHECK(error_of([&] { load_documents(task, "test", root); }) ==
        folder.path() + "/q.jsonl: 2 rows, and 1 labels in q.lst");
  task.data.labels["test"] = "no.lst";
  CHECK(error_of([&] { load_documents(task, "test", root); }) ==
        folder.path() + "/no.lst: no such file (the task file t.yaml names it)");
}

TEST_CASE("files of one stem are told apart in ids") {
  TemporaryFolder folder;
  folder.write("x/a.txt", "1");
  folder.write("x/b/a.txt", "2");
  folder.write("x/b/c.txt", "3");
  Task task;
  task.data.format = "text";
  const auto documents = load_documents(task, "text", {"", {folder.path()}});
  REQUIRE(documents.size() == 3);
  CHECK(documents[0].id == "text/a.txt/0");
  CHECK(documents[1].id == "text/b.a.txt/0");
  CHECK(documents[2].id == "text/c/0");
}

TEST_CASE("gzip files are unpacked") {
  TemporaryFolder folder;
  const std::string plain = folder.write("q.jsonl", "{\"q\":1}\n");
  REQUIRE(std::system(("gzip -k " + plain).c_str()) == 0);
  CHECK(load_documents(task_of("q.jsonl.gz"), "test", {folder.path(), {}})[0].id == "test/q/0");
  folder.write("bad.jsonl.gz", "\x1F\x8B\x08garbage");
  CHECK(error_of([&] { load_documents(task_of("bad.jsonl.gz"), "test", {folder.path(), {}}); }) != "(no error)");
}

TEST_CASE("missing files, empty and unknown splits are errors that help") {
  TemporaryFolder folder;
  const DataRoot root{folder.path(), {}};
  Task task = task_of("d/no.jsonl");
  CHECK(error_of([&] { load_documents(task, "test", root); }) ==
        folder.path() + "/d/no.jsonl: no such file (the task file t.yaml names it)");
  task.data.source = "gsm8k";
  CHECK(error_of([&] { load_documents(task, "test", root); }) ==
        folder.path() + "/d/no.jsonl: no such file (`assay fetch gsm8k` brings it)");
  CHECK(document_files(task, "test", root).empty());
  const std::string empty = folder.write("d/no.jsonl", "\n");
  CHECK(error_of([&] { load_documents(task, "test", root); }) == empty + ": the split \"test\" of t@deepseek is empty");
  CHECK(document_files(task, "test", root) == std::vector<std::string>{empty});
  CHECK(error_of([&] { load_documents(task, "dev", root); }) ==
        "t.yaml: task t@deepseek has no files for the split \"dev\"");
  Task texts;
  texts.data.format = "text";
  CHECK(starts_with(error_of([&] { load_documents(texts, "text", root); }), "@deepseek: no texts were given"));
}

TEST_CASE("the shared data files give the manifest's counts of items") {
  const auto folder = testing::shared_file("data/MANIFEST.json");
  if (!folder) return;
  const std::string data = folder->substr(0, folder->rfind('/'));
  const Json manifest = read_json_file(*folder);
  int checked = 0;
  for (const Json& file : manifest["files"]) {
    const std::string path = file["path"];
    const std::string format = path.find("hellaswag") != std::string::npos ? "hellaswag_text" : format_of_path(path);
    const bool rows = format == "jsonl" || format == "csv" || format == "hellaswag_text";
    if (!rows || !file["items"].is_number() || path.find("few_shot_prompts") != std::string::npos) continue;
    DataSpec spec;
    spec.format = format;
    if (starts_with(path, "mmlu/")) spec.columns = {"question", "A", "B", "C", "D", "answer"};
    CAPTURE(path);
    size_t rows_read = 0;
    read_data_file(data + "/" + path, spec, [&](const DataRow&) { ++rows_read; });
    CHECK(rows_read == file["items"].get<size_t>());
    ++checked;
  }
  CHECK(checked > 300);
}

}  // namespace assay
