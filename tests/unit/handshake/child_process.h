#pragma once

#include <string>
#include <string_view>
#include <sys/types.h>
#include <vector>

namespace culvert::control::tests {

/// A child process with pipes to its standard input and from its output and errors. Killed at the end, by its id.
class ChildProcess {
  public:
    /// The first word is looked up in PATH. Throws std::runtime_error when it cannot be started.
    explicit ChildProcess(const std::vector<std::string>& words);
    ~ChildProcess();
    ChildProcess(const ChildProcess&) = delete;
    ChildProcess& operator=(const ChildProcess&) = delete;

    void write(std::string_view text) const;
    /// Waits until all that it has written so far contains `text`; false when that takes too long.
    bool wait_output(std::string_view text);
    const std::string& output() const { return output_; }

  private:
    pid_t id_ = -1;
    int input_ = -1, from_ = -1;
    std::string output_;
};

/// A file in a directory of its own that goes with it.
class TemporaryFile {
  public:
    explicit TemporaryFile(std::string_view content);
    ~TemporaryFile();
    TemporaryFile(const TemporaryFile&) = delete;
    TemporaryFile& operator=(const TemporaryFile&) = delete;
    const std::string& path() const { return path_; }

  private:
    std::string path_;
};

} // namespace culvert::control::tests
