// What `--tasks` means: names against the registry.
#include <algorithm>
#include <map>
#include <set>

#include "core/error.h"
#include "core/text.h"
#include "tasks/task_config.h"
#include "tasks/task_file.h"

namespace assay {
namespace {

class Selector {
 public:
  explicit Selector(const TaskRegistry& registry) : registry_(registry) {
    for (const Task& task : registry.tasks) {
      tasks_.emplace(task.key(), &task);
      if (!task.form_of) conventions_[task.name].insert(task.convention);
    }
    for (const TaskGroup& group : registry.groups) {
      groups_.emplace(group.key(), &group);
      conventions_[group.name].insert(group.convention);
    }
  }

  void select(const std::string& wanted) {
    const size_t at = wanted.rfind('@');
    const std::string name = wanted.substr(0, at);
    const std::string convention = at == std::string::npos ? "" : wanted.substr(at + 1);
    if (name.find_first_of("*?") != std::string::npos) return select_glob(wanted, name, convention);
    auto known = conventions_.find(name);
    if (known == conventions_.end()) fail_unknown(wanted, name);
    add_named(key_of(name, convention));
  }

  TaskSelection take() { return std::move(selection_); }

 private:
  // Where no convention is asked for: deepseek, else the only one there is.
  std::string key_of(const std::string& name, const std::string& convention) const {
    const std::set<std::string>& known = conventions_.at(name);
    if (!convention.empty()) {
      if (!known.count(convention) && !tasks_.count(name + "@" + convention))
        throw_input(name + "@" + convention, "no such convention", "there is " + join_keys(name));
      return name + "@" + convention;
    }
    if (known.count("deepseek")) return name + "@deepseek";
    if (known.size() > 1) throw_input(name, "has several conventions", "say which: " + join_keys(name));
    return name + "@" + *known.begin();
  }

  std::string join_keys(const std::string& name) const {
    std::string out;
    for (const std::string& convention : conventions_.at(name))
      out += (out.empty() ? "" : ", ") + name + "@" + convention;
    return out;
  }

  // Tasks and aggregated groups, what can't be run passed over.
  void select_glob(const std::string& wanted, const std::string& pattern, const std::string& convention) {
    std::set<std::string> keys;
    for (const auto& [name, conventions] : conventions_) {
      if (!glob_match(pattern, name) || (!convention.empty() && !conventions.count(convention))) continue;
      keys.insert(key_of(name, convention));
    }
    std::string reason;
    bool any = false;
    auto usable = [&](const auto& entry) {
      if (!keys.count(entry.key())) return false;
      if (!entry.unavailable.empty()) reason = entry.key() + ": " + entry.unavailable;
      any |= entry.unavailable.empty();
      return entry.unavailable.empty();
    };
    for (const TaskGroup& group : registry_.groups) {
      if (group.aggregate && usable(group)) add_group(group);
    }
    for (const Task& task : registry_.tasks) {
      if (usable(task)) add_task(task);
    }
    if (any) return;
    if (!reason.empty()) throw_input(wanted, "nothing that it matches can be run", reason);
    throw_input(wanted, "matches no task", "`assay tasks` lists them");
  }

  void add_named(const std::string& key) {
    if (auto task = tasks_.find(key); task != tasks_.end()) {
      if (!task->second->unavailable.empty()) throw_input(key, "cannot be run: " + task->second->unavailable);
      return add_task(*task->second);
    }
    const TaskGroup& group = *groups_.at(key);
    if (!group.unavailable.empty()) throw_input(key, "cannot be run: " + group.unavailable);
    const size_t before = selection_.tasks.size();
    std::string passed_over;
    add_group(group, &passed_over);
    if (selection_.tasks.size() == before && !passed_over.empty()) {
      throw_input(key, "none of its tasks can be run: " + passed_over);
    }
  }

  void add_task(const Task& task) {
    if (chosen_.insert(task.key()).second) selection_.tasks.push_back(&task);
  }

  // A tag passes over what can't be run; a group that holds such a member is unavailable itself and does not come here.
  void add_group(const TaskGroup& group, std::string* passed_over = nullptr) {
    if (!chosen_.insert(group.key()).second) return;
    if (group.aggregate) selection_.groups.push_back(&group);
    for (const std::string& key : group.members) {
      if (auto inner = groups_.find(key); inner != groups_.end() && !tasks_.count(key)) {
        add_group(*inner->second, passed_over);
      } else if (auto task = tasks_.find(key); task != tasks_.end()) {
        if (task->second->unavailable.empty()) {
          add_task(*task->second);
        } else if (passed_over) {
          *passed_over = task->second->unavailable;
        }
      }
    }
  }

  [[noreturn]] void fail_unknown(const std::string& wanted, const std::string& name) const {
    std::vector<std::string> names;
    for (const auto& [known, unused] : conventions_) names.push_back(known);
    std::string near;
    for (int i = 0; i < 3; ++i) {
      const std::string nearest = nearest_name(name, names);
      if (nearest.empty()) break;
      near += (near.empty() ? "" : ", ") + nearest;
      std::erase(names, nearest);
    }
    throw_input(wanted, "no such task, group or tag",
                near.empty() ? "`assay tasks` lists them" : "did you mean " + near + "? `assay tasks` lists them all");
  }

  const TaskRegistry& registry_;
  std::map<std::string, const Task*> tasks_;
  std::map<std::string, const TaskGroup*> groups_;
  std::map<std::string, std::set<std::string>> conventions_;  // by name
  std::set<std::string> chosen_;
  TaskSelection selection_;
};

}  // namespace

const Task* TaskRegistry::find_task(const std::string& key) const {
  auto it = std::find_if(tasks.begin(), tasks.end(), [&](const Task& task) { return task.key() == key; });
  return it == tasks.end() ? nullptr : &*it;
}

const TaskGroup* TaskRegistry::find_group(const std::string& key) const {
  auto it = std::find_if(groups.begin(), groups.end(), [&](const TaskGroup& group) { return group.key() == key; });
  return it == groups.end() ? nullptr : &*it;
}

TaskSelection select_tasks(const TaskRegistry& registry, const std::string& names) {
  Selector selector(registry);
  for (const std::string& name : split(names, ',')) {
    const std::string wanted(strip(name));
    if (!wanted.empty()) selector.select(wanted);
  }
  TaskSelection selection = selector.take();
  if (selection.tasks.empty()) throw_input("--tasks", "names no task", "`assay tasks` lists them");
  return selection;
}

}  // namespace assay
