// The report of a database, live, for browsers on this machine.
//
// Threads: the HTTP library's pool answers requests; all of them read one read-only ResultsDb, which locks for itself.
// The page's data is made again only when the file has changed, and then at most every two seconds or ten times what
// making it took, so that watching a run takes little from it.
//
// Safety: listens on 127.0.0.1 only, answers GET only, writes nothing. A request whose Host is not a name of this
// machine is refused, so that no foreign site can read the answers by pointing its own name here (DNS rebinding).
//
//   /            the page                      /data   its JSON
//   /items       the items page                /items.json?run&task&convention[&against&verdict&text&first&count]
//   /state       a short text that changes with the database
#pragma once

#include <memory>
#include <string>
#include <vector>

namespace assay {

class ViewServer {
 public:
  // `include`: folders of task files; empty = those of the runs. Throws Error(kInput) when the file is not a report
  // database.
  explicit ViewServer(const std::string& database, std::vector<std::string> include = {});
  ~ViewServer();
  ViewServer(const ViewServer&) = delete;
  ViewServer& operator=(const ViewServer&) = delete;

  // Takes the port, 0 = any free one; gives the port taken. Throws Error(kWorld) when it can't be had.
  int bind(int port);
  // Answers until stop(), which any thread may call.
  void serve();
  void stop();

 private:
  struct Implementation;
  std::unique_ptr<Implementation> implementation_;
};

}  // namespace assay
