#include "tasks/task_groups.h"

#include <algorithm>
#include <set>

#include "core/error.h"
#include "core/text.h"
#include "tasks/task_fields.h"

namespace assay {
namespace {

GroupDraft draft_at(const std::string& file) {
  GroupDraft draft;
  draft.group.file = file;
  draft.group.suite = suite_of(file);
  draft.group.convention = "own";
  if (starts_with(file, kBuiltIn)) draft.group.convention = "deepseek", draft.has_convention = true;
  return draft;
}

void check_group_name(const ConfigNode& node, const std::string& name) {
  if (name.empty() || name.find_first_of(",@*?") != std::string::npos) {
    node.fail("\"" + name + "\" is no name of a group: no comma, @, * or ?");
  }
}

// `group` or `subgroup` beside `foreach`: a name or a map.
GroupDraft read_short_group(const ConfigNode& node, const Task& first) {
  GroupDraft draft = draft_at(first.file);
  TaskGroup& group = draft.group;
  group.convention = first.convention;
  draft.has_convention = true;
  if (!node.json().is_object()) {
    group.name = node.text();
  } else {
    node.only({"name", "weight_by_size", "metrics", "alias", "note", "published", "version"});
    auto name = node.field("name");
    if (!name) node.fail("`name` is missing");
    group.name = name->text();
    if (auto field = node.field("weight_by_size")) group.weight_by_size = field->boolean();
    if (auto field = node.field("metrics")) group.metrics = field->texts();
    if (auto field = node.field("alias")) group.alias = field->text();
    if (auto field = node.field("note")) group.note = field->text();
    if (auto field = node.field("published")) group.published = read_published(*field);
    group.version = read_version(node);
  }
  check_group_name(node, group.name);
  return draft;
}

void read_aggregates(const ConfigNode& list, TaskGroup& group) {
  const std::vector<ConfigNode> entries = list.json().is_array() ? list.items() : std::vector<ConfigNode>{list};
  std::optional<bool> by_size;
  for (const ConfigNode& entry : entries) {
    entry.only({"metric", "aggregation", "weight_by_size", "filter_list"});
    if (auto function = entry.python_function()) {
      group.unavailable = entry.where() + ": `!function " + *function + "` needs Python";
      continue;
    }
    auto aggregation = entry.field("aggregation");
    auto weight = entry.field("weight_by_size");
    if ((aggregation && aggregation->json() != "mean") || (weight && !weight->json().is_boolean())) {
      group.unavailable = entry.where() + ": groups are aggregated by mean, with weight_by_size true or false";
      continue;
    }
    if (auto metric = entry.field("metric")) group.metrics.push_back(metric->text());
    const bool weighted = !weight || weight->boolean();
    if (by_size && *by_size != weighted) {
      group.unavailable = entry.where() + ": metrics of one group differ in weight_by_size";
    }
    by_size = weighted;
  }
  group.aggregate = !entries.empty();
  group.weight_by_size = by_size.value_or(true);
}

void read_group_list(const ConfigNode& list, GroupDraft& draft, std::vector<GroupDraft>& out);

// A map of group fields: the top of a group file, or one nested in a list.
template <typename Field>
void read_group_map(const Field& field, const std::string& file, const ConfigNode& place,
                    std::vector<GroupDraft>& out) {
  GroupDraft draft = draft_at(file);
  TaskGroup& group = draft.group;
  auto name = field("group");
  if (!name) place.fail("a list of tasks needs a `group` that names it");
  group.name = name->text();
  check_group_name(*name, group.name);
  group.aggregate = false;
  if (auto node = field("group_alias")) group.alias = node->text();
  if (auto node = field("note")) group.note = node->text();
  if (auto node = field("published")) group.published = read_published(*node);
  if (auto node = field("metadata")) group.version = read_version(*node);
  if (auto node = field("convention")) group.convention = node->text(), draft.has_convention = true;
  if (auto node = field("aggregate_metric_list")) read_aggregates(*node, group);
  auto list = field("task");
  if (!list) place.fail("the group has no `task` list");
  if (list->json().is_array()) {
    read_group_list(*list, draft, out);
  } else {
    draft.members.push_back({list->text(), *list, false});
  }
  out.push_back(std::move(draft));
}

void read_group_list(const ConfigNode& list, GroupDraft& draft, std::vector<GroupDraft>& out) {
  for (const ConfigNode& item : list.items()) {
    if (!item.json().is_object()) {
      draft.members.push_back({item.text(), item, false});
    } else if (item.field("group")) {
      read_group_map([&](const char* key) { return item.field(key); }, item.path(), item, out);
      draft.members.push_back({out.back().group.name, item, false});
    } else if (auto task = item.field("task")) {
      draft.members.push_back({task->text(), *task, item.json().size() > 1});
      if (item.json().size() > 1) draft.members.back().place = item;
    } else {
      draft.group.unavailable = item.where() + ": neither a name nor a map with `task` or `group`";
    }
  }
}

class GroupBinder {
 public:
  GroupBinder(std::vector<GroupDraft> drafts, const std::map<std::string, TaskConfig>& configs, TaskRegistry& registry)
      : drafts_(std::move(drafts)), configs_(configs), registry_(registry), state_(drafts_.size(), State::kOpen) {}

  void bind() {
    for (size_t i = 0; i < registry_.tasks.size(); ++i) index_task(i);
    for (size_t i = 0; i < drafts_.size(); ++i) draft_names_.emplace(drafts_[i].group.name, i);
    gather_tags();
    for (size_t i = 0; i < drafts_.size(); ++i) resolve(i);
    for (const GroupDraft& draft : drafts_) keep(draft.group);
    for (auto& [key, tag] : tags_) {
      if (!find_task(key) && !registry_.find_group(key)) registry_.groups.push_back(std::move(tag));
    }
  }

 private:
  enum class State { kOpen, kBusy, kDone };

  void index_task(size_t i) {
    task_names_.emplace(registry_.tasks[i].name, i);
    task_keys_.emplace(registry_.tasks[i].key(), i);
  }

  const Task* find_task(const std::string& key) const {
    auto it = task_keys_.find(key);
    return it == task_keys_.end() ? nullptr : &registry_.tasks[it->second];
  }

  void gather_tags() {
    for (const Task& task : registry_.tasks) {
      for (const std::string& name : task.tags) {
        TaskGroup& tag = tags_[name + "@" + task.convention];
        tag.name = name;
        tag.convention = task.convention;
        tag.aggregate = false;
        tag.suite = task.suite;
        tag.file = task.file;
        if (tag.members.empty() || tag.members.back() != task.key()) tag.members.push_back(task.key());
      }
    }
  }

  void resolve(size_t i) {
    if (state_[i] == State::kDone) return;
    state_[i] = State::kBusy;
    std::vector<std::string> members;
    for (const GroupDraft::Member& member : std::vector(drafts_[i].members)) {
      for (std::string& key : member.is_override ? override_task(i, member) : find_members(i, member)) {
        if (std::find(members.begin(), members.end(), key) == members.end()) members.push_back(std::move(key));
      }
    }
    GroupDraft& draft = drafts_[i];
    draft.group.members = std::move(members);
    if (!draft.has_convention) draft.group.convention = common_convention(draft.group.members);
    state_[i] = State::kDone;
  }

  static std::string convention_of(const std::string& key) { return key.substr(key.rfind('@') + 1); }

  static std::string common_convention(const std::vector<std::string>& keys) {
    for (const std::string& key : keys) {
      if (convention_of(key) != convention_of(keys.front())) return "own";
    }
    return keys.empty() ? "own" : convention_of(keys.front());
  }

  void refuse(size_t i, const std::string& what) {
    std::string& reason = drafts_[i].group.unavailable;
    if (reason.empty()) reason = what;
  }

  // Keys of everything called `name`.
  std::vector<std::string> keys_called(const std::string& name, size_t asking) {
    std::vector<std::string> keys;
    for (auto [it, end] = task_names_.equal_range(name); it != end; ++it) {
      keys.push_back(registry_.tasks[it->second].key());
    }
    for (auto [it, end] = draft_names_.equal_range(name); it != end; ++it) {
      const size_t found = it->second;
      if (found == asking) continue;
      if (state_[found] == State::kBusy) {
        refuse(asking, drafts_[asking].group.file + ": the group contains itself by way of " + name);
        continue;
      }
      resolve(found);
      keys.push_back(drafts_[found].group.key());
    }
    if (!keys.empty()) return keys;
    for (const auto& [key, tag] : tags_) {
      if (tag.name == name) keys.push_back(key);
    }
    return keys;
  }

  std::vector<std::string> find_members(size_t i, const GroupDraft::Member& member) {
    const size_t at = member.name.rfind('@');
    const std::string name = member.name.substr(0, at);
    std::vector<std::string> keys = keys_called(name, i);
    std::string wanted = at != std::string::npos        ? member.name
                         : drafts_[i].has_convention    ? name + "@" + drafts_[i].group.convention
                         : find_task(name + "@lm-eval") ? name + "@lm-eval"
                                                        : "";
    if (std::find(keys.begin(), keys.end(), wanted) != keys.end()) {
      keys = {wanted};
    } else if (at != std::string::npos) {
      keys.clear();
    }
    std::sort(keys.begin(), keys.end());
    keys.erase(std::unique(keys.begin(), keys.end()), keys.end());
    if (keys.empty()) {
      refuse(i, member.place.where() + ": the group " + drafts_[i].group.name + " names " + member.name +
                    ", which no file defines");
      return {};
    }
    if (keys.size() > 1) {
      refuse(i,
             member.place.where() + ": " + name + " has several conventions, say which: " + keys[0] + ", " + keys[1]);
      return {};
    }
    auto tag = tags_.find(keys.front());
    const bool is_tag = tag != tags_.end() && !task_names_.count(name) && !draft_names_.count(name);
    return is_tag ? tag->second.members : keys;
  }

  // A map that does not fit the task it lands on (a built-in one may stand where that harness has its own) is no error
  // before somebody asks for the group.
  std::vector<std::string> override_task(size_t i, const GroupDraft::Member& member) {
    try {
      return overridden_task(i, member);
    } catch (const Error& error) {
      refuse(i, std::string("the group ") + drafts_[i].group.name + ": " + member.name + ": " + error.what());
      return {};
    }
  }

  // Defines "<group>::<task>", or the task itself where the map is all there is.
  std::vector<std::string> overridden_task(size_t i, const GroupDraft::Member& member) {
    const std::string& group = drafts_[i].group.name;
    const std::vector<std::string> bases = task_keys(member.name, drafts_[i]);
    TaskConfig config{member.place.path(), {}, {}};
    if (!bases.empty()) config = configs_.at(bases.front());
    config = override_config(std::move(config), member.place);
    check_field_names(config);
    const bool has_data = config.field("data") || config.field("dataset_path") || config.field("class");
    if (bases.empty() && !has_data) {
      refuse(i, member.place.where() + ": " + member.name + " is no task, and the map does not say where its data are");
      return {};
    }
    Task task =
        read_task(config, bases.empty() ? member.name : group + "::" + member.name.substr(0, member.name.rfind('@')));
    const std::string key = task.key();
    if (!find_task(key)) {
      registry_.tasks.push_back(std::move(task));
      index_task(registry_.tasks.size() - 1);
    }
    return {key};
  }

  // Tasks of that name whose config is known, those of the group's own convention first.
  std::vector<std::string> task_keys(const std::string& name, const GroupDraft& draft) const {
    std::vector<std::string> keys;
    for (const std::string& convention : {draft.group.convention, std::string("lm-eval")}) {
      if (configs_.count(name + "@" + convention)) keys.push_back(name + "@" + convention);
    }
    if (configs_.count(name)) keys.push_back(name);
    for (auto [it, end] = task_names_.equal_range(name); it != end; ++it) {
      const std::string key = registry_.tasks[it->second].key();
      if (configs_.count(key)) keys.push_back(key);
    }
    return keys;
  }

  // Into the registry: with the reason of an unavailable member, and over a built-in group of the same key. Folders of
  // that harness do hold groups of one name, so that is an error only for who asks for it.
  void keep(TaskGroup group) {
    for (const std::string& key : group.members) {
      const std::string reason = reason_of(key, 0);
      if (group.unavailable.empty() && !reason.empty()) group.unavailable = "member " + key + ": " + reason;
    }
    auto same = std::find_if(registry_.groups.begin(), registry_.groups.end(),
                             [&](const TaskGroup& other) { return other.key() == group.key(); });
    if (same == registry_.groups.end()) {
      if (const Task* task = find_task(group.key()); task && task->unavailable.empty()) {
        throw_input(group.file, "the group " + group.key() + " has the name of a task in " + task->file);
      }
      registry_.groups.push_back(std::move(group));
    } else if (starts_with(same->file, kBuiltIn) != starts_with(group.file, kBuiltIn)) {
      if (group.unavailable.empty()) *same = std::move(group);
    } else if (same->unavailable.empty() && group.unavailable.empty()) {
      same->unavailable = "it is defined twice: in " + same->file + " and " + group.file;
    } else if (group.unavailable.empty()) {
      *same = std::move(group);
    }
  }

  std::string reason_of(const std::string& key, int depth) const {
    if (const Task* task = find_task(key)) return task->unavailable;
    const std::string name = key.substr(0, key.rfind('@'));
    for (auto [it, end] = draft_names_.equal_range(name); it != end; ++it) {
      const GroupDraft& draft = drafts_[it->second];
      if (draft.group.key() != key || depth > 20) continue;
      if (!draft.group.unavailable.empty()) return draft.group.unavailable;
      for (const std::string& member : draft.group.members) {
        if (std::string reason = reason_of(member, depth + 1); !reason.empty()) return reason;
      }
      return "";
    }
    return "";
  }

  std::vector<GroupDraft> drafts_;
  const std::map<std::string, TaskConfig>& configs_;
  TaskRegistry& registry_;
  std::vector<State> state_;
  std::multimap<std::string, size_t> task_names_, draft_names_;
  std::map<std::string, size_t> task_keys_;
  std::map<std::string, TaskGroup> tags_;
};

}  // namespace

std::vector<GroupDraft> read_foreach_groups(const std::vector<ForeachTask>& tasks) {
  std::vector<GroupDraft> subgroups;
  std::optional<GroupDraft> outer;
  auto add_member = [](GroupDraft& draft, const std::string& key, const ConfigNode& place) {
    const bool known = std::any_of(draft.members.begin(), draft.members.end(),
                                   [&](const GroupDraft::Member& member) { return member.name == key; });
    if (!known) draft.members.push_back({key, place, false});
  };
  for (const auto& [config, task] : tasks) {
    auto group = config->field("group");
    auto subgroup = config->field("subgroup");
    if (group && !outer) outer = read_short_group(*group, *task);
    if (!subgroup) {
      if (group) add_member(*outer, task->key(), *group);
      continue;
    }
    GroupDraft draft = read_short_group(*subgroup, *task);
    auto same = std::find_if(subgroups.begin(), subgroups.end(),
                             [&](const GroupDraft& other) { return other.group.name == draft.group.name; });
    if (same == subgroups.end()) same = subgroups.insert(subgroups.end(), std::move(draft));
    add_member(*same, task->key(), *subgroup);
    if (group) add_member(*outer, same->group.key(), *group);
  }
  if (outer) subgroups.push_back(std::move(*outer));
  return subgroups;
}

std::vector<GroupDraft> read_group_file(const TaskConfig& config) {
  static const std::vector<std::string> known = {
      "group", "group_alias", "task", "aggregate_metric_list", "metadata", "convention", "note", "published", "tag"};
  check_field_names(config);
  std::vector<GroupDraft> out;
  read_group_map([&](const char* key) { return config.field(key); }, config.path, *config.field("task"), out);
  if (!config.repeated_keys.empty()) out.back().group.unavailable = config.repeated_keys.front();
  for (const auto& [key, node] : config.fields) {
    if (std::find(known.begin(), known.end(), key) != known.end()) continue;
    out.back().group.unavailable = node.where() + ": a group has no field " + key;
  }
  return out;
}

void tie_groups(std::vector<GroupDraft> drafts, const std::map<std::string, TaskConfig>& configs,
                TaskRegistry& registry) {
  GroupBinder(std::move(drafts), configs, registry).bind();
}

}  // namespace assay
